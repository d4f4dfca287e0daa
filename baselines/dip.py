"""Deep Image Prior: a network is fitted to the one degraded image, and stopped before it fits the damage.

Paper: Ulyanov, Vedaldi & Lempitsky, "Deep Image Prior" (CVPR 2018); networks and settings as in the
authors' notebooks for denoising (``dip``) and for inpainting of text (``dip_masked``, ``dip_oracle``); their
licence is Apache 2.0, nothing is copied. Parameters at width 1: 2,217,831 and 3,002,627.

``dip`` sees the degraded image and nothing else. The other two leave lost pixels out of the loss, so the
network is free to invent them: pixels that the run's detector found, or the true ones.

Where we differ, and why:

* mirrored up to multiples of 32 instead of cut down to them: every pixel has to be restored;
* the result is the running mean of outputs for inpainting too, as for denoising: known pixels are degraded as
  well;
* after a backtracking step the optimiser does not step on the gradients of the weights just given up;
* reflection and bilinear enlargement are written as sums of slices: the same values, and the same bits at
  every run on a graphics card, where PyTorch's own are not reproducible;
* the running mean starts at the first output, as published, but of fewer than 1,000 iterations it spans the
  last tenth: with a weight of 0.99 the first output would still show;
* one budget of iterations for all images and for both tasks (3,000 as published for denoising; the authors
  take 6,001 for text).
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call, vmap

from benchmark.data import pad_to_multiple
from benchmark.method import Declaration, Setting

SCALES = 5
#: Uniform noise in [0, 0.1] is what the network draws the image from.
INPUT_RANGE = 0.1
#: Weight of the past in the running mean of outputs.
DECAY = 0.99
#: A fall of the PSNR to the degraded image (dB) between two iterations that is taken back.
FALL_DB = 5.0
#: Memory of one image of several as measured (docs/dip.md), of each pixel: by channels, and by those across.
BYTES_PER_CHANNEL = 110
BYTES_PER_SKIP = 50
#: Weights, gradients, two moments, the weights to go back to, and all of them side by side.
BYTES_PER_WEIGHT = 24
#: Mask values from here on, and the next pixel in every direction, are left out of the loss.
LOST = 0.5


@dataclass(frozen=True)
class Task:
    """One of the published settings.

    Args:
        skip: channels handed across at each scale.
        enlarge: how the deeper branch is brought back to size.
        jitter: standard deviation of the noise added to the input at each iteration.
    """

    skip: int
    enlarge: Literal["bilinear", "nearest"]
    jitter: float
    inputs: int = 32
    channels: int = 128
    rate: float = 0.01


DENOISING = Task(skip=4, enlarge="bilinear", jitter=1 / 30)
INPAINTING = Task(skip=128, enlarge="nearest", jitter=0.03)


def reflect(features: Tensor) -> Tensor:
    """One more row and column on each side, mirrored: (B, C, H, W) to (B, C, H + 2, W + 2)."""
    if not features.is_cuda:
        return F.pad(features, (1, 1, 1, 1), mode="reflect")
    return reflect_by_slices(features)


def reflect_by_slices(features: Tensor) -> Tensor:
    """The same with gradients whose bits are the same at every run."""
    tall = torch.cat([features[:, :, 1:2], features, features[:, :, -2:-1]], dim=2)
    return torch.cat([tall[..., 1:2], tall, tall[..., -2:-1]], dim=3)


def double(features: Tensor, mode: Literal["bilinear", "nearest"]) -> Tensor:
    """(B, C, H, W) to (B, C, 2H, 2W)."""
    if not features.is_cuda:
        return F.interpolate(features, scale_factor=2, mode=mode)
    return double_by_slices(features, mode)


def double_by_slices(features: Tensor, mode: Literal["bilinear", "nearest"]) -> Tensor:
    """The same with gradients whose bits are the same at every run."""
    for axis in (2, 3):
        if mode == "nearest":
            pair = (features, features)
        else:
            length = features.shape[axis]
            before = torch.cat([features.narrow(axis, 0, 1), features.narrow(axis, 0, length - 1)], axis)
            after = torch.cat([features.narrow(axis, 1, length - 1), features.narrow(axis, -1, 1)], axis)
            pair = (0.75 * features + 0.25 * before, 0.75 * features + 0.25 * after)
        features = torch.stack(pair, dim=axis + 1).flatten(axis, axis + 1)
    return features


class Layer(nn.Sequential):
    """Convolution with mirrored borders, batch normalisation by the image's own statistics, leaky ReLU."""

    def __init__(self, inputs: int, outputs: int, size: int, *, stride: int = 1) -> None:
        """Random weights as PyTorch draws them."""
        super().__init__(nn.Conv2d(inputs, outputs, size, stride=stride), norm(outputs), nn.LeakyReLU(0.2))
        self.size = size

    def forward(self, features: Tensor) -> Tensor:
        """(B, C, H, W) to (B, outputs, H, W), or half of H and W, rounded up."""
        features = reflect(features) if self.size == 3 else features
        for layer in self:
            features = layer(features)
        return features


def norm(channels: int) -> nn.BatchNorm2d:
    """Batch normalisation that always takes the statistics of what it is given."""
    return nn.BatchNorm2d(channels, track_running_stats=False)


class Scale(nn.Module):
    """One scale of the hourglass: a branch across, one through the deeper scales, and their merging."""

    def __init__(self, task: Task, inputs: int, deeper: Scale | None) -> None:
        """Random weights."""
        super().__init__()
        channels = task.channels
        self.enlarge = task.enlarge
        self.across = Layer(inputs, task.skip, 1)
        self.down = nn.Sequential(Layer(inputs, channels, 3, stride=2), Layer(channels, channels, 3))
        self.deeper = deeper
        self.merge = nn.Sequential(
            norm(task.skip + channels), Layer(task.skip + channels, channels, 3), Layer(channels, channels, 1)
        )

    def forward(self, features: Tensor) -> Tensor:
        """(B, C, H, W), H and W even, to (B, channels, H, W)."""
        deep = self.down(features)
        if self.deeper is not None:
            deep = self.deeper(deep)
        return cast(Tensor, self.merge(torch.cat([self.across(features), double(deep, self.enlarge)], dim=1)))


class SkipNet(nn.Module):
    """The hourglass of five scales: (B, inputs, H, W) -> (B, 3, H, W) in [0, 1].

    Sides are multiples of 32, and of 64 if one is as small as that: the innermost scale needs two pixels.

    Args:
        task: channel counts and kind of enlargement.
    """

    def __init__(self, task: Task) -> None:
        """Random weights as PyTorch draws them."""
        super().__init__()
        scale: Scale | None = None
        for level in reversed(range(SCALES)):
            scale = Scale(task, task.channels if level else task.inputs, scale)
        self.scales = scale
        self.head = nn.Conv2d(task.channels, 3, 1)

    def forward(self, drawn: Tensor) -> Tensor:
        """The image that the weights make of a fixed input."""
        return torch.sigmoid(self.head(cast(Scale, self.scales)(drawn)))


class Fitting:
    """One image's network on its way: its optimiser, and the weights to go back to."""

    def __init__(self, network: nn.Module, rate: float) -> None:
        """``network`` is changed in place."""
        self.parameters = list(network.parameters())
        self.optimizer = torch.optim.Adam(self.parameters, lr=rate)
        self.good = [parameter.detach().clone() for parameter in self.parameters]
        self.last_db = -math.inf

    def falls(self, psnr_db: float) -> bool:
        """Whether the image fell too far by the newest step."""
        return psnr_db < self.last_db - FALL_DB

    @torch.no_grad()
    def go_back(self) -> None:
        """Put the weights before the newest step back; it does not count for the optimiser's next one."""
        for parameter, value in zip(self.parameters, self.good, strict=True):
            parameter.copy_(value)

    def go_on(self, psnr_db: float) -> None:
        """A step from weights that are good for ``psnr_db``."""
        self.last_db = psnr_db
        with torch.no_grad():
            for parameter, value in zip(self.parameters, self.good, strict=True):
                value.copy_(parameter)
        self.optimizer.step()


def side_by_side(networks: Sequence[nn.Module], drawn: Tensor) -> Tensor:
    """What each network shows of its own input: (B, C, H, W) to (B, 3, H, W), gradients to each."""
    if len(networks) == 1:
        return cast(Tensor, networks[0](drawn))
    each = [dict(network.named_parameters()) for network in networks]
    # Rewritten in the usual layout: from channels last, vmap's gradients of 1x1 convolutions are wrong.
    plain = torch.contiguous_format
    weights = {name: torch.stack([one[name].clone(memory_format=plain) for one in each]) for name in each[0]}

    def show(own: dict[str, Tensor], image: Tensor) -> Tensor:
        return cast(Tensor, functional_call(networks[0], own, (image[None],)))[0]

    return vmap(show)(weights, drawn)


def fit(
    networks: Sequence[nn.Module],
    target: Tensor,
    known: Tensor | None,
    task: Task,
    iterations: int,
    watch: Callable[[int, Tensor, Tensor], None],
    *,
    decay: float = DECAY,
    generators: Sequence[torch.Generator | None] = (None,),
) -> Tensor:
    """Fit a network to each of the images ``target`` and return the running means of what they showed.

    Each image goes its own way: weights, optimiser, noise and steps back are as if it were alone.

    Args:
        networks: B of one architecture, changed in place.
        target: (B, 3, H, W) in [0, 1].
        known: (B, 1, H, W), 1 where ``target`` counts, 0 where it does not; None counts everywhere.
        task: input and learning rate.
        iterations: steps of the optimisers.
        watch: called after each with its number, the newest outputs and the running means.
        decay: weight of the past in the running means.
        generators: where each image's noise comes from, on its device; None is torch's own.
    """
    shape = (1, task.inputs, *target.shape[2:])

    def noise(draw: Callable[..., Tensor]) -> Tensor:
        like = {"device": target.device, "dtype": target.dtype}
        return torch.cat([draw(shape, generator=one, **like) for one in generators])

    fittings = [Fitting(network, task.rate) for network in networks]
    drawn = INPUT_RANGE * noise(torch.rand)
    mean: Tensor | None = None
    for iteration in range(iterations):
        shown = side_by_side(networks, drawn + task.jitter * noise(torch.randn))
        difference = shown - target if known is None else (shown - target) * known
        losses = difference.square().mean(dim=(1, 2, 3))
        now = shown.detach()
        mean = now.clone() if mean is None else mean.lerp_(now, 1 - decay)
        psnrs_db = [-10 * math.log10(max(loss, 1e-10)) for loss in losses.detach().tolist()]
        falls = [fitting.falls(psnr_db) for fitting, psnr_db in zip(fittings, psnrs_db, strict=True)]
        for fitting in fittings:
            fitting.optimizer.zero_grad(set_to_none=True)
        if not all(falls):
            torch.autograd.backward([loss for loss, fell in zip(losses, falls, strict=True) if not fell])
        for fitting, psnr_db, fell in zip(fittings, psnrs_db, falls, strict=True):
            if fell:
                fitting.go_back()
            else:
                fitting.go_on(psnr_db)
        watch(iteration + 1, now, mean)
    assert mean is not None
    return mean


def decay_within(iterations: int) -> float:
    """``DECAY``, or less where the running mean would span more than a tenth of the ``iterations``."""
    return min(DECAY, max(1 - 10 / iterations, 0.0))


def known_pixels(mask: Tensor) -> Tensor:
    """1 where a mask (1, 1, H, W) says that a pixel and all its neighbours are there, else 0."""
    lost = (mask >= LOST).float()
    return 1 - F.max_pool2d(lost, 3, stride=1, padding=1)


class DeepImagePrior:
    """A network with its first weights; each image is fitted by a copy of it."""

    def __init__(self, setting: Setting, task: Task) -> None:
        """Channel counts of ``task`` times ``setting.width``."""
        self.task = Task(
            skip=_scaled(task.skip, setting),
            enlarge=task.enlarge,
            jitter=task.jitter,
            inputs=_scaled(task.inputs, setting),
            channels=_scaled(task.channels, setting),
        )
        self.iterations = setting.per_image_iterations
        self.networks = {"prior": SkipNet(self.task)}
        #: Called with (iterations done, of how many) while an image is fitted.
        self.on_iteration: Callable[[int, int], None] = lambda done, total: None

    def restore(self, degraded: Tensor, mask: Tensor | None) -> Tensor:
        """The running mean of outputs after the last iteration; it depends on torch's generator."""
        return self._restore(degraded, mask, [None])

    def restore_many(self, degraded: Tensor, mask: Tensor | None, seeds: Sequence[int]) -> Tensor:
        """Several images of one size at a time: what ``restore`` gives of each, but for rounding."""
        return self._restore(
            degraded, mask, [torch.Generator(degraded.device).manual_seed(seed) for seed in seeds]
        )

    def footprint(self, height: int, width: int) -> int:
        """Bytes that fitting one image of several takes: activations, weights and what goes with them."""
        weights = sum(tensor.numel() for tensor in self.networks["prior"].parameters())
        per_px = BYTES_PER_CHANNEL * self.task.channels + BYTES_PER_SKIP * self.task.skip
        return per_px * height * width + BYTES_PER_WEIGHT * weights

    def _restore(
        self, degraded: Tensor, mask: Tensor | None, generators: Sequence[torch.Generator | None]
    ) -> Tensor:
        # The innermost scale would have one pixel, of which there is no variance.
        multiple = 64 if min(degraded.shape[2:]) <= 32 else 32
        target, inside = pad_to_multiple(degraded, multiple)
        known = None
        if mask is not None:
            known, _ = pad_to_multiple(known_pixels(mask), multiple)
        networks = [copy.deepcopy(self.networks["prior"]).train() for _ in generators]

        def watch(iteration: int, newest: Tensor, mean: Tensor) -> None:
            self.on_iteration(iteration, self.iterations)

        decay = decay_within(self.iterations)
        with torch.enable_grad():
            means = fit(
                networks, target, known, self.task, self.iterations, watch, decay=decay, generators=generators
            )
        return means[inside]


def _scaled(channels: int, setting: Setting) -> int:
    return max(round(channels * setting.width), 1)


def _blind(setting: Setting) -> DeepImagePrior:
    return DeepImagePrior(setting, DENOISING)


def _masked(setting: Setting) -> DeepImagePrior:
    return DeepImagePrior(setting, INPAINTING)


#: Activations of a training step at width 1 take about 7 kB per pixel: 4 GB for such a tile.
TILE_PX = 768
METHODS = (
    Declaration(
        "dip",
        "deep image prior: a network fitted to the image alone, stopped early (Ulyanov et al. 2018)",
        _blind,
        per_image=True,
        tile=TILE_PX,
    ),
    Declaration(
        "dip_masked",
        "deep image prior that need not fit detected damage (Ulyanov et al. 2018)",
        _masked,
        mask="detected",
        per_image=True,
        tile=TILE_PX,
    ),
    Declaration(
        "dip_oracle",
        "deep image prior that need not fit the true damage (Ulyanov et al. 2018)",
        _masked,
        mask="oracle",
        per_image=True,
        tile=TILE_PX,
        in_all=False,
    ),
)
