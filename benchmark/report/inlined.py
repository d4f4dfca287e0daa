"""What pages with everything in them are put together from."""

from __future__ import annotations

import base64
import json
from importlib import resources
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]


def part(package: str, *names: str) -> str:
    """The text of a file that a package brings along, by its path below the package."""
    return resources.files(package).joinpath(*names).read_text(encoding="utf-8")


def base_css() -> str:
    """Colours for light and dark, type and focus rings of every page."""
    return part("benchmark.report", "page", "base.css")


def data_uri(coded: bytes, kind: str) -> str:
    """Bytes of an image as its address; ``kind`` as in ``image/KIND``."""
    return f"data:image/{kind};base64,{base64.b64encode(coded).decode()}"


def script_json(value: Any) -> str:
    """JSON for a ``script`` element, which nothing in it can end."""
    return json.dumps(value).replace("<", "\\u003c")


def shrunk(pixels: Pixels, side: int) -> Pixels:
    """uint8 (H, W, 3) pixels, averaged down if a side is longer than ``side``."""
    longest = max(pixels.shape[:2])
    if longest <= side:
        return pixels
    factor = side / longest
    return np.asarray(cv2.resize(pixels, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA), np.uint8)
