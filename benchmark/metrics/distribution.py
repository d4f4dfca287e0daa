"""Distances between the restored images and the clean ones as two sets, in the features of Inception.

Features come as (N, D) float32 arrays that may lie on disk; they are read in blocks, so that memory does
not grow with the number of images.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from benchmark.metrics import Features, NoValueError, Pixels, metric
from degradekit.randomness import stream

if TYPE_CHECKING:
    from torch import nn

BLOCK = 1024
#: Below as many images FID is mostly its own bias.
ENOUGH = 2048


def inception_features(pixels: Pixels) -> Features:
    """The 2,048 numbers after Inception's last pooling, as pytorch-fid takes them: (2048,) float32.

    [0, 1], resized to 299x299 bilinearly without antialiasing, then to [-1, 1].
    """
    from benchmark import features

    network = features.inception()
    assert network is not None  # Its weights were found a moment ago.
    return pooled(network, pixels)


def pooled(network: nn.Module, pixels: Pixels) -> Features:
    """What a ``pytorch_fid`` network gives for one uint8 image (H, W, 3), as a vector."""
    import torch

    image = torch.from_numpy(pixels.transpose(2, 0, 1)[None].astype(np.float32) / np.float32(255))
    with torch.no_grad():
        activations = network(image)[0]
    return np.asarray(activations.reshape(-1).numpy(), np.float32)


@metric(
    better="lower",
    unit="",
    convention="fid[inception-2015-12-05,bilinear299,ddof1]",
    decimals=1,
    scope="set",
    weights=("inception",),
    features=inception_features,
)
def fid(restored: Features, clean: Features) -> float:
    """Frechet distance between Gaussians fitted to the features of both sets; 0 for equal sets.

    Heusel et al. 2017, features and covariance as pytorch-fid. Below 2,048 images it is mostly its own
    bias: it orders methods on the same images, and compares with no other number.
    """
    return frechet_distance(restored, clean)


@metric(
    better="lower",
    unit="1e-3",
    convention="kid[inception-2015-12-05,bilinear299,poly3,unbiased]",
    decimals=2,
    scope="set",
    weights=("inception",),
    features=inception_features,
)
def kid(restored: Features, clean: Features) -> float:
    """Kernel distance between the features of both sets, unbiased at any size; may be under 0 for equal ones.

    Binkowski et al. 2018: squared maximum mean discrepancy with the kernel (x.y / D + 1)^3, over all pairs of
    different images, times 1,000.
    """
    return 1000 * squared_mmd(restored, clean)


def frechet_distance(x: NDArray[np.floating], y: NDArray[np.floating]) -> float:
    """|mean(x) - mean(y)|^2 + tr(Sx + Sy - 2 (Sx Sy)^(1/2)) of (N, D) and (M, D), exact, in float64.

    With Sx = A'A and Sy = B'B, tr (Sx Sy)^(1/2) is the sum of the singular values of A B'. A is the centred
    data over sqrt(N - 1), or if N > D, the root of the covariance: never more than D rows. No matrix square
    root of a singular product is taken, which is where others' numbers go wrong.

    Raises:
        NoValueError: a set has fewer than two images.
    """
    if min(len(x), len(y)) < 2:
        raise NoValueError("a set of fewer than two images has no covariance")
    mean_x, root_x = _mean_and_root(x)
    mean_y, root_y = _mean_and_root(y)
    singular_values = np.linalg.svd(root_x @ root_y.T, compute_uv=False)
    spread = np.sum(root_x * root_x) + np.sum(root_y * root_y) - 2 * np.sum(singular_values)
    return float(np.sum((mean_x - mean_y) ** 2) + spread)


def squared_mmd(x: NDArray[np.floating], y: NDArray[np.floating]) -> float:
    """Unbiased squared maximum mean discrepancy of (N, D) and (M, D), kernel (x.y / D + 1)^3.

    Raises:
        NoValueError: a set has fewer than two images.
    """
    n, m = len(x), len(y)
    if min(n, m) < 2:
        raise NoValueError("a set of fewer than two images has no pair of different ones")
    within_x = (_kernel_sum(x, x) - _kernel_diagonal(x)) / (n * (n - 1))
    within_y = (_kernel_sum(y, y) - _kernel_diagonal(y)) / (m * (m - 1))
    return within_x + within_y - 2 * _kernel_sum(x, y) / (n * m)


def halves(clean: NDArray[np.floating]) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
    """Two halves of a set, drawn once and for all: their distance is what two equal methods would show."""
    order = stream(0, "halves", len(clean)).permutation(len(clean))
    middle = len(clean) // 2
    return clean[np.sort(order[:middle])], clean[np.sort(order[middle:])]


def _mean_and_root(x: NDArray[np.floating]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean (D,), and A with at most D rows such that A'A is the covariance (N - 1 in the denominator)."""
    n, dimensions = x.shape
    mean = sum((block.sum(axis=0) for block in _blocks(x)), np.zeros(dimensions)) / n
    if n <= dimensions:
        return mean, (np.asarray(x, np.float64) - mean) / np.sqrt(n - 1)
    covariance = np.zeros((dimensions, dimensions))
    for block in _blocks(x):
        centred = block - mean
        covariance += centred.T @ centred
    values, vectors = np.linalg.eigh(covariance / (n - 1))
    return mean, np.sqrt(np.maximum(values, 0))[:, None] * vectors.T


def _kernel_sum(x: NDArray[np.floating], y: NDArray[np.floating]) -> float:
    return sum(float(np.sum(_kernel(a, b))) for a in _blocks(x) for b in _blocks(y))


def _kernel_diagonal(x: NDArray[np.floating]) -> float:
    return sum(float(np.sum((np.sum(a * a, axis=1) / a.shape[1] + 1) ** 3)) for a in _blocks(x))


def _kernel(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray((a @ b.T / a.shape[1] + 1) ** 3)


def _blocks(x: NDArray[np.floating]) -> Iterator[NDArray[np.float64]]:
    for start in range(0, len(x), BLOCK):
        yield np.asarray(x[start : start + BLOCK], np.float64)
