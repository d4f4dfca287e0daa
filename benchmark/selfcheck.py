"""``benchmark metrics selfcheck``: the metrics' golden values, and how they stand to other packages' numbers.

Golden values are of two pictures made by integer arithmetic, so they are the same on every machine. Where
another package is installed, both sides compute on the same pair and the signed difference is printed:
either they should agree, or the reason why they do not is known. Networks run on the official weights if
these are here, and on the same random ones on both sides if not.
"""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata, resources
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmark import catalog, features, metrics
from benchmark.metrics import Pixels
from benchmark.metrics.distribution import frechet_distance, pooled
from benchmark.metrics.perceptual import distance
from benchmark.peers import PEERS
from benchmark.randomnetworks import inception_network, pytorch_fid_features, random_trunk
from degradekit import imagefiles
from degradekit.randomness import stream

SIDE = 176
#: By metric, of ``golden_pair`` and a square mask in its middle.
GOLDEN = {
    "blur": 0.33888814144020873,
    "ciede2000": 5.843486304746791,
    "ms_ssim": 0.9477966078012005,
    "noise": 6.248127189610634,
    "psnr": 26.05341306880949,
    "psnr_border": 23.66442213688936,
    "psnr_inside": 22.57592807987826,
    "psnr_on_clean": 26.05341306880949,
    "psnr_outside": 26.78670946024894,
    "psnr_y": 29.64466073705179,
    "ssim": 0.7916156599066926,
    "ssim_border": 0.7125219130049874,
    "ssim_inside": 0.7587838515519689,
    "ssim_on_clean": 0.7916156599066926,
    "ssim_outside": 0.7963628052808479,
}
GOLDEN_TOLERANCE = 1e-9


@dataclass(frozen=True)
class Finding:
    """One comparison.

    Args:
        metric: name of ours.
        against: what it is compared with: the golden value, or a package's function and its arguments.
        ours: our number.
        theirs: the other one; None if it could not be had.
        tolerance: how close both should be; None if they are known to differ.
        reason: why they differ, or why there is no other number.
    """

    metric: str
    against: str
    ours: float
    theirs: float | None
    tolerance: float | None
    reason: str = ""

    @property
    def difference(self) -> float | None:
        """Theirs less ours."""
        return None if self.theirs is None else self.theirs - self.ours

    @property
    def good(self) -> bool:
        """False where both should agree and do not."""
        if self.tolerance is None or self.difference is None:
            return True
        return abs(self.difference) <= self.tolerance


def golden_pair() -> tuple[Pixels, Pixels]:
    """A restored and a clean picture of 176x176, of integer arithmetic alone."""
    y, x, channel = np.mgrid[0:SIDE, 0:SIDE, 0:3].astype(np.int64)
    waves = (x * x // 37 + y * (3 + channel) * 5 // 4 + (x // 16 + y // 16) % 2 * 60) % 256
    clean = np.where(waves < 128, waves, 255 - waves) + 64
    grain = (x * x * 31 + y * y * 57 + x * y * 13 + channel * 7) % 33
    restored = (clean * 15 + 120) // 16 + grain - 16
    restored[60:70, 20:150] = clean[60:70, 20:150] // 2 + 100
    return restored.clip(0, 255).astype(np.uint8), clean.clip(0, 255).astype(np.uint8)


def golden_mask() -> NDArray[np.bool_]:
    """A square in the middle of the pictures."""
    mask = np.zeros((SIDE, SIDE), bool)
    mask[SIDE // 3 : 2 * SIDE // 3, SIDE // 3 : 2 * SIDE // 3] = True
    return mask


def golden_value(name: str) -> float:
    """The metric called ``name`` of the golden pair."""
    restored, clean = golden_pair()
    one = metrics.find(name)
    inputs: dict[str, tuple[NDArray[Any], ...]] = {
        "masked": (restored, clean, golden_mask()),
        "real": (restored,),
    }
    return one(*inputs.get(one.scope, (restored, clean)))


def findings() -> Iterator[Finding]:
    """All comparisons, as they are made; the last ones take seconds."""
    for name, value in GOLDEN.items():
        yield Finding(name, "golden value", golden_value(name), value, GOLDEN_TOLERANCE)
    restored, clean = photographs()
    for peer in PEERS:
        ours = metrics.find(peer.metric)(restored, clean)
        version = _version(peer.package)
        against = f"{peer.package} {version or ''}: {peer.call}".replace(" :", ":")
        if version is None:
            yield Finding(peer.metric, against, ours, None, peer.tolerance, "not installed")
            continue
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                theirs = float(peer.compute(restored, clean))
        except Exception as error:  # Another package may fail in any way; that is not our finding.
            failure = f"failed: {type(error).__name__}: {error}"
            yield Finding(peer.metric, against, ours, None, peer.tolerance, failure)
            continue
        yield Finding(peer.metric, against, ours, theirs, peer.tolerance, peer.reason)
    yield from _lpips(restored, clean)
    yield from _frechet()
    yield from _inception(restored, clean)


def photographs() -> tuple[Pixels, Pixels]:
    """A damaged and a clean photograph, 512x512: scikit-image's astronaut, blurred, noisy and with lines."""
    import cv2

    file = resources.files("skimage") / "data" / "astronaut.png"
    clean = imagefiles.decode(file.read_bytes(), "astronaut.png").rgb.astype(np.uint8, copy=False)
    rng = stream(0, "selfcheck")
    noisy = cv2.GaussianBlur(clean, (0, 0), 1.2) + rng.normal(0, 12, clean.shape)
    noisy[:, 60::97] = 235
    return np.rint(noisy).clip(0, 255).astype(np.uint8), clean


def _lpips(restored: Pixels, clean: Pixels) -> Iterator[Finding]:
    """Our path from uint8 against the package's own, for every trunk."""
    features.torchvision()
    import lpips
    import torch

    crop = (slice(0, 128), slice(0, 128))
    restored, clean = restored[crop], clean[crop]
    for trunk, weights in features.LPIPS_WEIGHTS.items():
        official = catalog.missing(weights) is None
        network = features.lpips(trunk)
        if not official:
            network = features.lpips_with(trunk, random_trunk(weights))
        assert network is not None
        with torch.no_grad():
            theirs = float(network(lpips.im2tensor(restored), lpips.im2tensor(clean)))
        which = "official weights" if official else "random weights"
        against = f"lpips {_version('lpips')}: LPIPS(net='{trunk}') of im2tensor(), {which}"
        yield Finding(f"lpips_{trunk}", against, distance(network, restored, clean), theirs, 1e-4)


def _frechet() -> Iterator[Finding]:
    """The low-rank distance against a matrix square root, of fewer and of more samples than dimensions."""
    from scipy.linalg import sqrtm

    rng = stream(0, "selfcheck frechet")
    for count in (40, 300):
        x, y = rng.normal(size=(count, 96)), 1.3 * rng.normal(size=(count + 7, 96)) + 0.2
        cov_x, cov_y = np.cov(x, rowvar=False), np.cov(y, rowvar=False)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            root = np.real(np.trace(np.asarray(sqrtm(cov_x @ cov_y))))
        theirs = float(
            np.sum((x.mean(axis=0) - y.mean(axis=0)) ** 2) + np.trace(cov_x) + np.trace(cov_y) - 2 * root
        )
        against = f"scipy {_version('scipy')}: sqrtm, {count} samples of 96 numbers"
        yield Finding("fid", against, frechet_distance(x, y), theirs, 1e-4 * theirs)


def _inception(restored: Pixels, clean: Pixels) -> Iterator[Finding]:
    """Our features against those pytorch-fid takes from files: the largest difference over all of them."""
    which = "official" if catalog.missing("inception") is None else "random"
    with tempfile.TemporaryDirectory() as folder, inception_network() as network:
        images = [restored[:96, :80], clean[100:300, 100:200]]
        ours = np.stack([pooled(network, np.ascontiguousarray(image)) for image in images])
        theirs = pytorch_fid_features(network, images, Path(folder))
    scale = float(np.abs(theirs).mean())
    against = f"pytorch-fid {_version('pytorch-fid')}: features, {which} weights, largest difference"
    worst = float(np.abs(ours - theirs).max()) / scale
    yield Finding("fid", against, 0.0, worst, 1e-4)


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None
