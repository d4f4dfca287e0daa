"""How far colours are off, as people see it."""

from __future__ import annotations

import numpy as np

from benchmark.metrics import Pixels, metric


@metric(better="lower", unit="", convention="ciede2000[srgb,d65,mean]", decimals=2)
def ciede2000(restored: Pixels, clean: Pixels) -> float:
    """Mean CIEDE2000 colour difference over all pixels; 0 for equal images, about 1 just visible.

    CIE 142-2001 (Sharma, Wu & Dalal 2005), kL = kC = kH = 1; sRGB to CIELAB under D65, 2 degree observer. The
    formula is scikit-image's.
    """
    from skimage.color import deltaE_ciede2000, rgb2lab

    return float(np.mean(deltaE_ciede2000(rgb2lab(clean / 255.0), rgb2lab(restored / 255.0))))
