"""CycleGAN: two conditional GANs, there and back, from degraded to clean, trained without pairs.

Paper: Zhu, Park, Isola & Efros, "Unpaired Image-to-Image Translation using Cycle-Consistent Adversarial
Networks" (ICCV 2017); networks, objective and schedule as in its appendix and the authors' PyTorch release
(BSD-style licence; nothing is copied from it). Parameters at width 1: generators 11,378,179 each,
discriminators 2,764,737 each.

The degraded side is real old photographs where the run has some, else synthetic ones shuffled against clean
photographs of other scenes; ``notes`` says which.

Where we differ, and why:

* crops and horizontal flips, no resize to 286x286: resizing changes grain and scratch widths;
* the budget is the profile's number of steps and batch size, the same for every trained method, instead of
  200 epochs at batch size 1; the learning rate is constant for the first half, then falls linearly to 0,
  per step instead of per epoch;
* an image of more than 768 pixels is restored in tiles that share the statistics of all of them (see
  ``benchmark.wholeimage``); sides that are no multiple of 4 are mirrored up to one.
"""

from __future__ import annotations

from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmark.adversarial import ImagePool, PatchDiscriminator, initialise, least_squares_loss
from benchmark.data import Batch, pad_to_multiple
from benchmark.method import Declaration, Descend, Setting
from benchmark.wholeimage import InstanceNorm, in_tiles

CYCLE_WEIGHT, IDENTITY_WEIGHT = 10.0, 5.0
BLOCKS = 9
#: Two halvings: sides are multiples of this.
MULTIPLE = 4


class Residual(nn.Module):
    """Two 3x3 convolutions with instance normalisation, a ReLU between them, plus the input."""

    def __init__(self, channels: int) -> None:
        """Weights as PyTorch draws them; the generator draws them anew."""
        super().__init__()
        self.body = nn.Sequential(
            nn.ReflectionPad2d(1),
            nn.Conv2d(channels, channels, 3),
            InstanceNorm(),
            nn.ReLU(inplace=True),
            nn.ReflectionPad2d(1),
            nn.Conv2d(channels, channels, 3),
            InstanceNorm(),
        )

    def forward(self, features: Tensor) -> Tensor:
        """(B, C, H, W) to the same shape."""
        return features + cast(Tensor, self.body(features))


class ResnetGenerator(nn.Sequential):
    """The generator ``resnet_9blocks``: (B, 3, H, W) -> (B, 3, H, W), both in [-1, 1], sides multiples of 4.

    Args:
        features: channels of the first level (64 in the paper), doubled twice.
    """

    def __init__(self, features: int = 64) -> None:
        """Random weights, as ``adversarial.initialise`` draws them."""
        layers: list[nn.Module] = [
            nn.ReflectionPad2d(3),
            nn.Conv2d(3, features, 7),
            InstanceNorm(),
            nn.ReLU(inplace=True),
        ]
        for channels in (features, 2 * features):
            layers += [
                nn.Conv2d(channels, 2 * channels, 3, stride=2, padding=1),
                InstanceNorm(),
                nn.ReLU(inplace=True),
            ]
        layers += [Residual(4 * features) for _ in range(BLOCKS)]
        for channels in (4 * features, 2 * features):
            layers += [
                nn.ConvTranspose2d(channels, channels // 2, 3, stride=2, padding=1, output_padding=1),
                InstanceNorm(),
                nn.ReLU(inplace=True),
            ]
        super().__init__(*layers, nn.ReflectionPad2d(3), nn.Conv2d(features, 3, 7), nn.Tanh())
        self.apply(initialise)


class Memory(nn.Module):
    """What training has to remember from step to step beside weights."""

    saw_real: Tensor

    def __init__(self) -> None:
        """Two empty pools."""
        super().__init__()
        self.restored, self.degraded = ImagePool(), ImagePool()
        self.register_buffer("saw_real", torch.tensor(False))


class CycleGan:
    """Two generators, two discriminators and their optimisers; ``Trainable``."""

    def __init__(self, setting: Setting) -> None:
        """Networks of 64 * ``setting.width`` channels at the first level."""
        features = max(round(64 * setting.width), 1)
        self.restorer, self.degrader = ResnetGenerator(features), ResnetGenerator(features)
        self.judge_clean = PatchDiscriminator(3, norm="instance", features=features)
        self.judge_degraded = PatchDiscriminator(3, norm="instance", features=features)
        self.networks = {
            "restorer": self.restorer,
            "degrader": self.degrader,
            "discriminator_clean": self.judge_clean,
            "discriminator_degraded": self.judge_degraded,
        }
        self.optimizers = {
            "generators": _adam(self.restorer, self.degrader),
            "discriminators": _adam(self.judge_clean, self.judge_degraded),
        }
        self._memory = Memory()
        self.memory = {"memory": self._memory}

    @property
    def notes(self) -> tuple[str, ...]:
        """Which photographs its degraded side was."""
        if self._memory.saw_real:
            return ("trained on real old photographs and, unpaired, clean ones",)
        return ("trained on synthetic degraded photographs and, unpaired, clean ones of other scenes",)

    def rate(self, progress: float) -> float:
        """Constant for the first half of the budget, then linearly to 0."""
        return min(1.0, 2 - 2 * progress)

    def train_step(self, batch: Batch, progress: float, descend: Descend) -> dict[str, Tensor]:
        """One step of both generators on LSGAN + 10 cycle + 5 identity, then one of both discriminators."""
        self._memory.saw_real.fill_(batch.real is not None)
        degraded, _ = pad_to_multiple(2 * batch.degraded - 1, MULTIPLE)
        clean, _ = pad_to_multiple(2 * batch.clean - 1, MULTIPLE)
        self.restorer.train()
        restored, aged = self.restorer(degraded), self.degrader(clean)
        gan = least_squares_loss(self.judge_clean(restored), real=True) + least_squares_loss(
            self.judge_degraded(aged), real=True
        )
        cycle = _l1(self.degrader(restored), degraded) + _l1(self.restorer(aged), clean)
        identity = _l1(self.restorer(clean), clean) + _l1(self.degrader(degraded), degraded)
        descend(gan + CYCLE_WEIGHT * cycle + IDENTITY_WEIGHT * identity, self.optimizers["generators"])

        judged_clean = self._judged(self.judge_clean, clean, self._memory.restored.exchange(restored))
        judged_degraded = self._judged(self.judge_degraded, degraded, self._memory.degraded.exchange(aged))
        descend(judged_clean + judged_degraded, self.optimizers["discriminators"])
        return {
            "gan": gan,
            "cycle": cycle,
            "identity": identity,
            "discriminator_clean": judged_clean,
            "discriminator_degraded": judged_degraded,
        }

    @staticmethod
    def _judged(judge: nn.Module, real: Tensor, fake: Tensor) -> Tensor:
        real_loss = least_squares_loss(judge(real), real=True)
        return 0.5 * (real_loss + least_squares_loss(judge(fake), real=False))

    def restore(self, degraded: Tensor, mask: Tensor | None) -> Tensor:
        """The output of the generator from degraded to clean."""
        self.restorer.eval()
        return in_tiles(self.restorer, lambda image, _: self._restore(image), degraded)

    def _restore(self, image: Tensor) -> Tensor:
        padded, inside = pad_to_multiple(image, MULTIPLE)
        return (cast(Tensor, self.restorer(2 * padded - 1))[inside] + 1) / 2


def _adam(*networks: nn.Module) -> torch.optim.Adam:
    parameters = [parameter for network in networks for parameter in network.parameters()]
    return torch.optim.Adam(parameters, lr=2e-4, betas=(0.5, 0.999))


def _l1(translated: Tensor, target: Tensor) -> Tensor:
    return F.l1_loss(translated.float(), target)


METHOD = Declaration(
    name="cyclegan",
    summary="two GANs with a cycle, without pairs: ResNet generators, patch discriminators (Zhu et al. 2017)",
    build=CycleGan,
    trains="unpaired",
)
