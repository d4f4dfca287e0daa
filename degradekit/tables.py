"""Tables that 16-bit integers are looked up in."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

#: OpenCV looks up in tables of 16 bits from version 5 on, faster than numpy does.
WIDE_LOOKUP = int(cv2.__version__.split(".")[0]) >= 5


def look_up(table: NDArray[np.float32], whole: NDArray[np.uint16], out: NDArray[np.float32]) -> None:
    """Write ``table`` (65536,) at every number of ``whole`` to ``out`` of the same shape.

    Both lie row after row.
    """
    if WIDE_LOOKUP and whole.size:
        cv2.LUT(whole.reshape(len(whole), -1), table, dst=out.reshape(len(out), -1))
    else:
        out[...] = table[whole]
