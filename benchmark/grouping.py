"""Which images a method that optimises on each of them restores at a time."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

import torch

from benchmark.method import Batching, Declaration

Size = tuple[int, int]
#: Share of the memory that images restored at a time may take.
SHARE = 0.5


def groups(
    method: Batching,
    declaration: Declaration,
    sizes: Mapping[int, Size],
    device: torch.device,
    at_most: int | None = None,
) -> list[tuple[int, ...]]:
    """Images, by number, in groups of one size; each group is as large as ``at_once`` allows.

    The groups depend on nothing but the arguments and the machine: what one image becomes depends, by
    rounding, on how many others are beside it.

    Args:
        method: restores the groups.
        declaration: its declaration; an image larger than its tile stays alone.
        sizes: height and width of each image by its number.
        device: where it restores.
        at_most: largest group; None: one on a CPU, where more take longer, and any number elsewhere.
    """
    by_size: dict[Size, list[int]] = {}
    for number, size in sizes.items():
        by_size.setdefault(size, []).append(number)
    return [
        group
        for size, numbers in by_size.items()
        for group in _cut(numbers, at_once(method, declaration, size, device, at_most))
    ]


def at_once(
    method: Batching, declaration: Declaration, size: Size, device: torch.device, at_most: int | None
) -> int:
    """How many images of a size are restored at a time: what ``SHARE`` of the memory holds, at least one."""
    if declaration.tile is not None and max(size) > declaration.tile:
        return 1
    if at_most is None and device.type == "cpu":
        return 1
    fitting = max(int(SHARE * memory(device)) // method.footprint(*size), 1)
    return fitting if at_most is None else min(fitting, at_most)


def memory(device: torch.device) -> int:
    """Bytes of memory that a device has, used or not."""
    if device.type == "cuda":
        return int(torch.cuda.get_device_properties(device).total_memory)
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _cut(numbers: Sequence[int], length: int) -> list[tuple[int, ...]]:
    return [tuple(numbers[start : start + length]) for start in range(0, len(numbers), length)]
