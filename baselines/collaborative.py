"""Block matching and collaborative filtering: the numerics of BM3D, in torch.

Paper: Dabov, Foi, Katkovnik & Egiazarian, "Image Denoising by Sparse 3-D Transform-Domain Collaborative
Filtering" (IEEE TIP 2007), section III; equation numbers below are its. Written from the paper.

Arrays of a tile: ``hp`` x ``wp`` positions at which a block fits in it, numbered row by row; ``P`` reference
blocks on the paper's grid; ``C`` channels; blocks of ``n`` x ``n`` pixels as rows of ``n * n``.

Every operation here is linear in the blocks but one, the shrinkage. So each block of a tile is transformed
once, not once for every group that it is in, and filtered blocks are summed per position while still
transformed. Work goes tile by tile, so memory beyond a few copies of the image does not grow with it; the
tiles share their groups and sums, and leave no trace in the result.
"""

from __future__ import annotations

import itertools
import math
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from typing import Literal, TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor

#: Half the side of the window searched for similar blocks (39 x 39 offsets).
SEARCH_PX = 19
#: Reference blocks of a tile start within a square of this side: some 50 MB of memory at stride 3.
TILE_PX = 132
#: References along a side of the squares that share a matrix product.
NEIGHBOURS = 8
#: Squared norm of blocks that are not inside the image: nothing is like them.
OUTSIDE = 1e6
KAISER_BETA = 2.0
#: Blocks of groups shrunk at a time: their coefficients stay in a processor's cache.
CHUNK = 8192
SMALLEST_SIGMA = 1e-6

Tile = tuple[Tensor, Tensor]
Result = TypeVar("Result")


@dataclass(frozen=True)
class Stage:
    """Parameters of one of the two stages.

    Args:
        transform: 2-D transform of blocks: "bior1.5" (block sides of 8 only) or "dct".
        block: side of a block, in pixels (N1).
        group: largest number of blocks in a group, a power of two (N2).
        stride: step of the grid of reference blocks, in pixels (N_step).
        match: largest mean squared difference of similar blocks, for values in [0, 255] (tau_match).
    """

    transform: Literal["bior1.5", "dct"]
    block: int
    group: int
    stride: int
    match: float


def filter_groups(
    noisy: Tensor, guide: Tensor | None, sigma: Tensor, stage: Stage, threshold: float = 0.0
) -> Tensor:
    """One stage: (C, H, W) to its estimate.

    Args:
        noisy: values of any range that ``sigma`` shares; blocks are matched on channel 0, which is in [0, 1].
        guide: the basic estimate for the Wiener stage, matched on in ``noisy``'s place; None is the
            hard-thresholding stage.
        sigma: (C,) standard deviations of the noise.
        stage: its parameters; the block must fit in the image.
        threshold: of the hard-thresholding stage, in units of sigma (lambda_3D).
    """
    numerator, denominator = torch.zeros_like(noisy), torch.zeros_like(noisy)
    height, width = noisy.shape[1:]
    tiles = list(itertools.product(grid_parts(height, stage), grid_parts(width, stage)))

    def area(tile: Tile) -> tuple[slice, ...]:
        return slice(None), reach(tile[0], height, stage.block), reach(tile[1], width, stage.block)

    def filtered(tile: Tile) -> tuple[Tensor, Tensor]:
        inside = area(tile)
        image = noisy[inside] if guide is None else guide[inside]
        groups = match(image[0], tile[0] - inside[1].start, tile[1] - inside[2].start, stage)
        blocks = spectra(noisy[inside], stage)
        guides = None if guide is None else spectra(image, stage)
        sums, weights = shrink(blocks, guides, groups, sigma, threshold)
        return aggregate(sums, weights, stage, image.shape[1:])

    # Added in the order of tiles: the sums are the same on any number of threads.
    for tile, (values, weights) in zip(tiles, in_threads(filtered, tiles), strict=True):
        numerator[area(tile)] += values
        denominator[area(tile)] += weights
    return numerator.div_(denominator)


def in_threads(function: Callable[[Tile], Result], tiles: list[Tile]) -> Iterator[Result]:
    """Results in order; tiles are spread over torch's threads, each operation stays on one.

    Torch's own way, to spread each operation, has thousands of moments where threads wait for each other: on
    a machine that is busy with other things it took minutes instead of a second.
    """
    threads = torch.get_num_threads()
    if threads == 1 or len(tiles) == 1:
        yield from map(function, tiles)
        return
    torch.set_num_threads(1)
    try:
        with ThreadPoolExecutor(threads) as pool:
            waiting: deque[Future[Result]] = deque()
            for tile in tiles:
                waiting.append(pool.submit(function, tile))
                # Results that nobody has taken yet are memory.
                if len(waiting) > 2 * threads:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
    finally:
        torch.set_num_threads(threads)


def grid_parts(length: int, stage: Stage) -> list[Tensor]:
    """First pixels of reference blocks along an axis, in equal parts; the last block ends with the image."""
    last = length - stage.block
    places = torch.arange(0, last + 1, stage.stride)
    if places[-1] != last:
        places = torch.cat([places, torch.tensor([last])])
    return list(places.tensor_split(math.ceil(len(places) * stage.stride / TILE_PX)))


def reach(places: Tensor, length: int, block: int) -> slice:
    """The pixels that the blocks at ``places`` and their matches may cover."""
    return slice(max(int(places[0]) - SEARCH_PX, 0), min(int(places[-1]) + SEARCH_PX + block, length))


def match(image: Tensor, rows: Tensor, columns: Tensor, stage: Stage) -> list[Tensor]:
    """Groups of similar blocks (4), (5): (H, W) and the references' rows and columns to positions.

    Returns:
        For each group size 1, 2, 4 .. that occurs, (size, groups) numbers of positions, the reference first,
        then by distance.
    """
    places, distances = nearest_blocks(image, rows, columns, stage)
    counts = (distances < stage.match / 255**2).sum(dim=1)
    groups = []
    for power in range(stage.group.bit_length()):
        size = 1 << power
        of_size = (counts >= size) & (counts < 2 * size)
        if of_size.any():
            groups.append(places[of_size, :size].T.contiguous())
    return groups


def nearest_blocks(image: Tensor, rows: Tensor, columns: Tensor, stage: Stage) -> tuple[Tensor, Tensor]:
    """The blocks most like each reference block, within the search window.

    Squared differences are taken as |a|^2 + |b|^2 - 2 a.b for a few neighbouring references and the union of
    their windows at a time: one matrix product, of whose entries each reference then picks its own.

    Returns:
        (P, N2) numbers of positions and mean squared differences; the reference itself is first, with -1.
    """
    side, span = stage.block, 2 * SEARCH_PX + 1
    high, wide = image.shape[0] - side + 1, image.shape[1] - side + 1
    # Values around 0 lose fewer digits in the difference of squares.
    blocks = F.unfold((image - 0.5)[None, None], side)[0]
    norms = F.pad(blocks.square().sum(dim=0).view(high, wide), (SEARCH_PX,) * 4, value=OUTSIDE)
    blocks = F.pad(blocks.view(-1, high, wide), (SEARCH_PX,) * 4)
    steps = torch.arange(span, device=image.device)
    places, distances = [], []
    for down in torch.split(rows.to(image.device), NEIGHBOURS):
        for right in torch.split(columns.to(image.device), NEIGHBOURS):
            # A window starts SEARCH_PX before its reference, as the padded arrays do before the image.
            window = (
                slice(int(down[0]), int(down[-1]) + span),
                slice(int(right[0]), int(right[-1]) + span),
            )
            candidates = blocks[:, *window]
            across = candidates.shape[2]
            own = ((down - down[0])[:, None] * across + (right - right[0])).view(-1, 1)
            inside = own + (steps[:, None] * across + steps).flatten()
            candidates = candidates.flatten(1)
            references = candidates.index_select(1, inside[:, span * span // 2])
            differences = torch.addmm(norms[window].flatten(), references.T, candidates, alpha=-2)
            own_norms = references.square().sum(dim=0)[:, None]
            differences = differences.gather(1, inside).add_(own_norms).div_(side * side)
            differences[:, span * span // 2] = -1.0
            values, chosen = differences.topk(stage.group, dim=1, largest=False)
            step_down = chosen.div(span, rounding_mode="floor") - SEARCH_PX
            step_right = chosen % span - SEARCH_PX
            first = (down[:, None] * wide + right).view(-1, 1)
            places.append(first + step_down * wide + step_right)
            distances.append(values)
    return torch.cat(places), torch.cat(distances)


def spectra(image: Tensor, stage: Stage) -> Tensor:
    """2-D transforms of all blocks of (C, H, W): (C, hp * wp, n * n)."""
    blocks = F.unfold(image[:, None], stage.block)
    return blocks.transpose(1, 2) @ forward_matrix(stage.transform, stage.block).T.to(image)


def shrink(
    blocks: Tensor, guides: Tensor | None, groups: list[Tensor], sigma: Tensor, threshold: float
) -> tuple[Tensor, Tensor]:
    """Filter all groups and sum the filtered blocks per position.

    Args:
        blocks: (C, hp * wp, n * n) spectra.
        guides: those of the basic estimate, for Wiener filtering.
        groups: as ``match`` gives them.
        sigma: (C,).
        threshold: of hard thresholding, in units of sigma.

    Returns:
        (C, hp * wp, n * n) weighted sums of spectra, and (C, hp * wp) sums of weights.
    """
    parts = [part for group in groups for part in torch.split(group, max(CHUNK // len(group), 1), dim=1)]
    members = torch.cat([part.flatten() for part in parts])
    ordered, order = members.sort(stable=True)
    positions = blocks.shape[1]
    starts = torch.searchsorted(ordered, torch.arange(positions, device=members.device))
    sums, weights = torch.empty_like(blocks), blocks.new_empty(blocks.shape[:2])
    filtered, weighed = blocks.new_empty(len(members), blocks.shape[2]), blocks.new_empty(len(members), 1)
    for channel, noisy in enumerate(blocks):
        # A channel without noise is kept as it is; its weights must still be finite.
        deviation = max(float(sigma[channel]), SMALLEST_SIGMA)
        first = 0
        for part in parts:
            rows = slice(first, first + part.numel())
            if guides is None:
                group, weight = hard_threshold(part, noisy, deviation, threshold)
            else:
                group, weight = wiener(part, noisy, guides[channel], deviation)
            filtered[rows] = group.flatten(0, 1)
            weighed[rows] = weight.repeat(len(part))[:, None]
            first = rows.stop
        # Sums of rows in a fixed order: an index_add would not have one on a GPU.
        sums[channel] = F.embedding_bag(order, filtered, starts, mode="sum")
        weights[channel] = F.embedding_bag(order, weighed, starts, mode="sum")[:, 0]
    return sums, weights


def hard_threshold(
    groups: Tensor, noisy: Tensor, deviation: float, threshold: float
) -> tuple[Tensor, Tensor]:
    """Equations (6) to (8): coefficients no larger than the threshold are dropped.

    Args:
        groups: (K, G) positions.
        noisy: (hp * wp, n * n) spectra.
        deviation: sigma.
        threshold: in units of it.

    Returns:
        (K, G, n * n) filtered spectra times the weights of their groups, and these weights (G,).
    """
    haar = haar_matrix(len(groups)).to(noisy)
    spectrum = gather(haar, groups, noisy)
    spectrum *= spectrum.abs() > threshold * deviation
    weight = 1 / (spectrum.count_nonzero(dim=(0, 2)).clamp_(min=1) * deviation**2)
    spectrum *= weight[:, None]
    return (haar.T @ spectrum.flatten(1)).view(spectrum.shape), weight


def wiener(groups: Tensor, noisy: Tensor, guide: Tensor, deviation: float) -> tuple[Tensor, Tensor]:
    """Equations (9) to (11): coefficients are scaled by energies of the basic estimate; as above."""
    haar = haar_matrix(len(groups)).to(noisy)
    energy = gather(haar, groups, guide).square_()
    gain = energy.div_(energy + deviation**2)
    spectrum = gather(haar, groups, noisy).mul_(gain)
    # A group of nothing but zeros has gain zero: any finite weight will do.
    weight = 1 / (gain.square_().sum(dim=(0, 2)).clamp_(min=1e-6) * deviation**2)
    spectrum *= weight[:, None]
    return (haar.T @ spectrum.flatten(1)).view(spectrum.shape), weight


def gather(haar: Tensor, groups: Tensor, spectra: Tensor) -> Tensor:
    """Groups' blocks, transformed along the group too: (K, G) positions to (K, G, n * n) coefficients."""
    stacked = spectra.index_select(0, groups.flatten())
    return (haar @ stacked.view(len(groups), -1)).view(*groups.shape, -1)


def aggregate(sums: Tensor, weights: Tensor, stage: Stage, size: tuple[int, ...]) -> tuple[Tensor, Tensor]:
    """Numerator and denominator of (12), (C, *size) each: blocks back to pixels under a Kaiser window."""
    window = torch.kaiser_window(stage.block, periodic=False, beta=KAISER_BETA)
    window = torch.outer(window, window).view(-1, 1).to(sums)
    inverse = inverse_matrix(stage.transform, stage.block).to(sums)
    pixels = (window * inverse) @ sums.transpose(1, 2)
    spread = window * weights[:, None]
    return F.fold(pixels, size, stage.block)[:, 0], F.fold(spread, size, stage.block)[:, 0]


@cache
def haar_matrix(size: int) -> Tensor:
    """Orthonormal Haar transform of ``size`` (a power of two) values, coarsest first."""
    if size == 1:
        return torch.ones(1, 1)
    half = haar_matrix(size // 2)
    means = torch.kron(half, torch.tensor([[1.0, 1.0]]))
    differences = torch.kron(torch.eye(size // 2), torch.tensor([[1.0, -1.0]]))
    return torch.cat([means, differences]) / math.sqrt(2)


@cache
def forward_matrix(transform: str, block: int) -> Tensor:
    """(n * n, n * n) matrix of the separable 2-D transform."""
    matrix = {"dct": dct_matrix, "bior1.5": biorthogonal_matrix}[transform](block)
    return torch.kron(matrix, matrix).float()


@cache
def inverse_matrix(transform: str, block: int) -> Tensor:
    """Inverse of ``forward_matrix``; bior1.5's is not its transpose."""
    inverse: Tensor = torch.linalg.inv(forward_matrix(transform, block).double())
    return inverse.float()


def dct_matrix(size: int) -> Tensor:
    """Orthonormal DCT-II, float64."""
    places = torch.arange(size, dtype=torch.float64)
    matrix = torch.cos(math.pi / size * places[:, None] * (places + 0.5)) * math.sqrt(2 / size)
    matrix[0] /= math.sqrt(2)
    return matrix


def biorthogonal_matrix(size: int) -> Tensor:
    """Analysis by the wavelet bior1.5 on all levels of a periodic signal, rows of unit length, float64.

    The analysis low-pass filter of Cohen, Daubechies & Feauveau's (1, 5) pair, and the Haar high-pass one.
    """
    low = torch.tensor([3, -3, -22, 22, 128, 128, 22, -22, -3, 3], dtype=torch.float64) * math.sqrt(2) / 256
    rows, approximation = [], torch.eye(size, dtype=torch.float64)
    while len(approximation) > 1:
        length = len(approximation)
        firsts = 2 * torch.arange(length // 2)
        rows.append((approximation[firsts] - approximation[firsts + 1]) / math.sqrt(2))
        taps = (firsts[:, None] + torch.arange(-4, 6)) % length
        approximation = (low[:, None] * approximation[taps]).sum(dim=1)
    matrix = torch.cat([approximation, *reversed(rows)])
    lengths: Tensor = torch.linalg.vector_norm(matrix, dim=1, keepdim=True)
    return matrix / lengths
