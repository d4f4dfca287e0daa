"""The one value every op takes and gives: a photograph and the masks of what hides it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from degradekit.levels import Image, Mask, Pixels, Plane, as_float, quantise

#: The whole numbers that pixels may be.
WHOLE = (np.uint8, np.uint16)
#: What some rows of an image, and of planes that lie over it, become; and those planes.
Change: TypeAlias = tuple[Callable[..., Image], tuple[Plane, ...]]
#: Makes changes to an image one after the other; takes an image over that can be written to.
Maker: TypeAlias = Callable[[Image | Pixels, Sequence[Change]], Image]


@dataclass(frozen=True, slots=True)
class Photo:
    """A photograph, its physical scale, and one soft mask per class of defect.

    Arrays of floats are made read-only, so no op can change its input.

    Args:
        pixels: sRGB, (H, W, 3), float32 in [0, 1] or the whole numbers of a file (uint8, uint16), to which
            ``changes`` have still to be made; they become ``image``.
        px_per_mm: pixels per millimetre of the physical print or film.
        masks: defect class -> float32 (H, W) in [0, 1], 1 = fully lost.
        alpha: opacity channel, float32 (H, W) in [0, 1]; carried along, never degraded.

    Raises:
        ValueError: a wrong dtype or shape, or a scale that is not positive.
    """

    pixels: NDArray[Any]
    px_per_mm: float
    masks: Mapping[str, Mask] = field(default_factory=dict)
    alpha: Mask | None = None
    #: Nobody else needs ``pixels``, so that ``editable`` gives them away.
    owned: bool = field(default=False, compare=False, repr=False)
    changes: tuple[Change, ...] = field(default=(), compare=False, repr=False)
    maker: Maker | None = field(default=None, compare=False, repr=False)

    def __post_init__(self) -> None:
        _check("image", self.pixels, (*self.pixels.shape[:2], 3), WHOLE)
        for name, mask in (*self.masks.items(), ("alpha", self.alpha)):
            if mask is not None:
                _check(f"mask '{name}'", mask, self.pixels.shape[:2])
        if not (self.px_per_mm > 0 and np.isfinite(self.px_per_mm)):
            raise ValueError(f"px_per_mm is a positive number, got {self.px_per_mm}")
        object.__setattr__(self, "masks", MappingProxyType(dict(self.masks)))

    @property
    def image(self) -> Image:
        """The pixels, float32 sRGB in [0, 1], (H, W, 3)."""
        if self.values.dtype != np.float32:
            self._keep(as_float(self.pixels))
        return self.pixels

    @property
    def values(self) -> NDArray[Any]:
        """``image``, or the whole numbers it is made of if nothing has changed them yet."""
        self.make()
        return self.pixels

    def levels(self, bits: int) -> Pixels:
        """The pixels as whole numbers of 8 or 16 ``bits``, rounded if they are not."""
        return self.pixels if self.values.dtype.itemsize * 8 == bits else quantise(self.image, bits)

    def make(self) -> None:
        """Make the changes that have still to be made."""
        if self.maker is not None:
            self._keep(self.maker(self._writable() if self.owned else self.pixels, self.changes))

    def _keep(self, made: Image) -> None:
        made.setflags(write=False)
        for name, value in (("pixels", made), ("changes", ()), ("maker", None)):
            object.__setattr__(self, name, value)

    @property
    def height(self) -> int:
        """Rows, in pixels."""
        return int(self.pixels.shape[0])

    @property
    def width(self) -> int:
        """Columns, in pixels."""
        return int(self.pixels.shape[1])

    @property
    def area_mm2(self) -> float:
        """Physical area of the picture, in square millimetres."""
        return self.height * self.width / self.px_per_mm**2

    def editable(self) -> Image:
        """The pixels, to change in place: a copy, or the image itself if it is ``owned``.

        Recipes own what lies between their steps; then this photograph must not be read any more. So a
        chain of ops works on one buffer, as every copy costs as much as an op.
        """
        if self.values.dtype != np.float32:
            return as_float(self.pixels)
        return self._writable() if self.owned else self.pixels.copy()

    def _writable(self) -> Image:
        """The pixels to write to; a copy if they are a view of something that cannot be written to."""
        with suppress(ValueError):
            self.pixels.setflags(write=True)
            return self.pixels
        return self.pixels.copy()

    def changed(self, maker: Maker, change: Callable[..., Image], *planes: Plane) -> Photo:
        """The photograph whose pixels ``maker`` changes, when they are asked for.

        Changes by one maker that follow each other are made together: what they all need is done once,
        and nothing is clipped between them.
        """
        if self.maker is not maker:
            self.make()
        return self._but(changes=(*self.changes, (change, planes)), maker=maker)

    def with_image(self, image: Image) -> Photo:
        """The same photograph with other pixels, clipped to [0, 1]; masks stay as they are.

        Takes ``image`` over: an array that can be written to is clipped in place.
        """
        return self.with_valid(_clipped(image))

    def with_valid(self, image: Image | Pixels) -> Photo:
        """``with_image`` for whole numbers, and for pixels in [0, 1] already; it takes a pass less."""
        _check("image", image, (self.height, self.width, 3), WHOLE)
        return self._but(pixels=image, owned=False, changes=(), maker=None)

    def moved(self, move: Callable[[Plane], Plane]) -> Photo:
        """The photograph with ``move`` applied to its image and every mask alike.

        ``move`` takes and gives float32 arrays, (H, W, 3) or (H, W). Alpha says which pixels of the file are
        there, not what the print shows: it stays.
        """
        clipped = {name: _clipped(move(mask)) for name, mask in self.masks.items()}
        return self.with_image(move(self.image)).with_masks(clipped)

    def painted(self, image: Image, **added: Mask) -> Photo:
        """Other pixels, and ``added`` joined to the masks of their classes.

        Coverage of one class joins as independent layers do: 1 - (1 - a)(1 - b). Masks only ever grow.
        """
        return self.marked(_clipped(image), **{name: _clipped(mask) for name, mask in added.items()})

    def marked(self, image: Image, **added: Mask) -> Photo:
        """``painted`` for pixels and masks that lie in [0, 1] already."""
        masks = dict(self.masks)
        for name, mask in added.items():
            below = masks.get(name)
            masks[name] = mask if below is None else 1 - (1 - below) * (1 - mask)
        return self.with_valid(image).with_masks(masks)

    def with_masks(self, masks: Mapping[str, Mask]) -> Photo:
        """The same pixels with other masks, which lie in [0, 1]."""
        for name, mask in masks.items():
            _check(f"mask '{name}'", mask, (self.height, self.width))
        return self._but(masks=MappingProxyType(dict(masks)))

    def as_owned(self, owned: bool) -> Photo:
        """The same photograph; ``owned`` if nobody else needs its pixels."""
        return self._but(owned=owned)

    def _but(self, **others: Any) -> Photo:
        """The same photograph but for ``others``, which are known to be well: checks take long."""
        made = object.__new__(Photo)
        for name in Photo.__slots__:
            object.__setattr__(made, name, others[name] if name in others else getattr(self, name))
        return made


def taken(image: Image) -> Image:
    """``image`` itself if it can be written to, pixel after pixel; else a copy."""
    return image if image.flags.writeable and image.flags.c_contiguous else image.copy()


def picked(image: Image, chosen: NDArray[np.int64]) -> Image:
    """The pixels (N, 3) of ``image`` that are ``chosen``, counted along its rows."""
    return image.reshape(-1, 3).take(chosen, axis=0)


def put(image: Image, chosen: NDArray[np.int64], pixels: Image) -> None:
    """Write the ``chosen`` pixels; ``image`` lies pixel after pixel, as ``taken`` gives it."""
    # As single items of three numbers: four times as fast as by index.
    whole = np.dtype((np.void, 12))
    np.put(
        image.reshape(-1).view(whole),
        chosen,
        np.ascontiguousarray(pixels, np.float32).reshape(-1).view(whole),
    )


def _clipped(values: Plane) -> Plane:
    """``values`` clipped to [0, 1]: in place where that is allowed, as a copy costs more than clipping."""
    place = values if values.dtype == np.float32 and values.flags.writeable else None
    clipped: Plane = np.clip(values, 0, 1, out=place, dtype=np.float32)
    return clipped


def _check(name: str, array: NDArray[Any], shape: tuple[int, ...], also: tuple[type, ...] = ()) -> None:
    if array.dtype not in (np.float32, *also):
        raise ValueError(f"{name} is float32 in [0, 1], got {array.dtype}")
    if array.shape != shape or 0 in shape:
        raise ValueError(f"{name} has shape {shape}, got {array.shape}")
    if array.dtype == np.float32:
        array.setflags(write=False)
