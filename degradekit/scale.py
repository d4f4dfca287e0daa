"""How large the photograph is in the hand: names of formats, and pixels per millimetre."""

from __future__ import annotations

import re
from dataclasses import dataclass

from degradekit.errors import RecipeError, unknown

#: Image area in millimetres (short side, long side).
FORMATS: dict[str, tuple[float, float]] = {
    "35mm": (24, 36),
    "6x6": (56, 56),
    "6x9": (56, 84),
    "4x5in": (102, 127),
    "carte-de-visite": (54, 89),
    "cabinet-card": (98, 140),
    "postcard": (89, 140),
}
_SIZE = re.compile(r"(\d+(?:\.\d+)?)x(\d+(?:\.\d+)?)(mm|cm|in)")
_MM = {"mm": 1.0, "cm": 10.0, "in": 25.4}


@dataclass(frozen=True, slots=True)
class Scale:
    """Either a ``format`` whose long side the photograph's long side is, or a scan at ``dpi``."""

    format: str | None = None
    dpi: float | None = None

    def __post_init__(self) -> None:
        if (self.format is None) == (self.dpi is None):
            raise RecipeError("give either format (such as 10x15cm) or dpi, not both and not neither")
        if self.format is not None:
            long_side_mm(self.format)
        elif (
            isinstance(self.dpi, bool) or not isinstance(self.dpi, int | float) or not 1 <= self.dpi <= 20_000
        ):
            raise RecipeError(f"dpi is a number in [1, 20000], got {self.dpi!r}")

    def px_per_mm(self, height: int, width: int) -> float:
        """Pixels per millimetre of a whole photograph of that many pixels."""
        if self.dpi is not None:
            return self.dpi / 25.4
        assert self.format is not None
        return max(height, width) / long_side_mm(self.format)


def long_side_mm(name: str) -> float:
    """The long side of a format: a known name, or a size such as ``10x15cm``, ``24x36mm``, ``8x10in``.

    Raises:
        RecipeError: the name is neither.
    """
    name = str(name)  # YAML may hold anything.
    if name in FORMATS:
        return max(FORMATS[name])
    match = _SIZE.fullmatch(name)
    if match is None or not float(match[1]) * float(match[2]):
        raise RecipeError(unknown("format", name, FORMATS) + "; or a size such as 10x15cm, 24x36mm, 8x10in")
    return max(float(match[1]), float(match[2])) * _MM[match[3]]
