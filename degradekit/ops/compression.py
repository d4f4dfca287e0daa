"""Lossy coding of the scan."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import cv2
import numpy as np
from numpy.random import Generator

from degradekit.imagefiles import check_jpeg_size
from degradekit.ops import Bounds, op
from degradekit.photo import Photo

SUBSAMPLING = {
    "4:4:4": cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444,
    "4:2:2": cv2.IMWRITE_JPEG_SAMPLING_FACTOR_422,
    "4:2:0": cv2.IMWRITE_JPEG_SAMPLING_FACTOR_420,
}


@op(neutral={"quality": 100}, exact=False)  # Even quality 100 rounds to 8 bits.
def jpeg(
    photo: Photo,
    rng: Generator,
    *,
    quality: Annotated[int, Bounds(1, 100, "1")] = 75,
    subsampling: Literal["4:4:4", "4:2:2", "4:2:0"] = "4:2:0",
) -> Photo:
    """Blocks and ringing of one JPEG save at ``quality`` (libjpeg's scale) with chroma ``subsampling``.

    Source: ITU-T T.81, through OpenCV's libjpeg-turbo.

    Raises:
        DataError: a side is over 65,535 pixels, more than JPEG can say.
    """
    check_jpeg_size(photo.height, photo.width)
    options = [
        cv2.IMWRITE_JPEG_QUALITY,
        quality,
        cv2.IMWRITE_JPEG_SAMPLING_FACTOR,
        SUBSAMPLING[subsampling],
    ]
    # Channel order is reversed both ways, as OpenCV expects blue first.
    blue_first: Any = cv2.cvtColor(photo.levels(8), cv2.COLOR_RGB2BGR)
    _, data = cv2.imencode(".jpg", blue_first, options)
    decoded: Any = cv2.imdecode(data, cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
    return photo.with_valid(np.asarray(cv2.cvtColor(decoded, cv2.COLOR_BGR2RGB), dtype=np.uint8))
