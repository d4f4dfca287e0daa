"""Pix2Pix: a conditional GAN from degraded to clean, trained on pairs.

Paper: Isola, Zhu, Zhou & Efros, "Image-to-Image Translation with Conditional Adversarial Networks" (CVPR
2017); networks, objective and schedule as in its appendix 6 and the authors' PyTorch release (BSD-style
licence; nothing is copied from it). Parameters at width 1: generator 54,413,955, discriminator 2,768,705.

Where we differ, and why:

* crops and horizontal flips of pairs, no resize to 286x286: resizing changes grain and scratch widths;
* the budget is the profile's number of steps and batch size, the same for every trained method, instead of
  200 epochs at batch size 1; the learning rate is constant for the first half, then falls linearly to 0,
  per step instead of per epoch;
* restoring switches dropout off and normalises with the running statistics of training, where the release
  keeps dropout and takes the test image's own statistics. So a restoration is a function of the image, and a
  better one: 20.1 dB against 19.4 dB PSNR on the validation images of profile quick, with the same weights.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmark.adversarial import PatchDiscriminator, initialise, logistic_loss
from benchmark.data import Batch, pad_to_multiple
from benchmark.method import Declaration, Descend, Setting

L1_WEIGHT = 100.0
#: Eight halvings: sides are multiples of this.
MULTIPLE = 256


class UNet(nn.Module):
    """The generator ``unet_256``: (B, 3, H, W) -> (B, 3, H, W), both in [-1, 1], sides multiples of 256.

    Eight strided convolutions down to H/256, eight transposed ones up, each level's input also handed
    across to the level above its mirror image. Dropout 0.5 in the three levels next to the innermost.

    Args:
        features: channels of the first level (64 in the paper), doubled three times.
    """

    def __init__(self, features: int = 64) -> None:
        """Random weights, as ``adversarial.initialise`` draws them."""
        super().__init__()
        channels = [features * factor for factor in (1, 2, 4, 8, 8, 8, 8, 8)]
        self.down = nn.ModuleList([nn.Conv2d(3, channels[0], 4, 2, 1, bias=False)])
        self.up = nn.ModuleList([nn.Sequential(nn.ConvTranspose2d(2 * channels[0], 3, 4, 2, 1), nn.Tanh())])
        for level in range(1, 8):
            outer, inner = channels[level - 1], channels[level]
            innermost = level == 7
            encoder: list[nn.Module] = [nn.Conv2d(outer, inner, 4, 2, 1, bias=False)]
            if not innermost:
                encoder.append(nn.BatchNorm2d(inner))
            received = inner if innermost else 2 * inner
            decoder: list[nn.Module] = [
                nn.ConvTranspose2d(received, outer, 4, 2, 1, bias=False),
                nn.BatchNorm2d(outer),
            ]
            if level in (4, 5, 6):
                decoder.append(nn.Dropout(0.5))
            self.down.append(nn.Sequential(*encoder))
            self.up.append(nn.Sequential(*decoder))
        self.apply(initialise)

    def forward(self, image: Tensor) -> Tensor:
        """Translate a batch of images."""
        encoded = [self.down[0](image)]
        for down in list(self.down)[1:]:
            encoded.append(down(F.leaky_relu(encoded[-1], 0.2)))
        decoded: Tensor = self.up[7](F.relu(encoded[7]))
        for level in range(6, -1, -1):
            decoded = self.up[level](F.relu(torch.cat([encoded[level], decoded], dim=1)))
        return decoded


class Pix2Pix:
    """Generator and discriminator with their optimisers; ``Trainable``."""

    def __init__(self, setting: Setting) -> None:
        """Networks of 64 * ``setting.width`` channels at the first level."""
        features = max(round(64 * setting.width), 1)
        self.generator = UNet(features)
        # It judges input and output together, hence six channels.
        self.discriminator = PatchDiscriminator(6, norm="batch", features=features)
        self.networks = {"generator": self.generator, "discriminator": self.discriminator}
        self.optimizers = {
            name: torch.optim.Adam(network.parameters(), lr=2e-4, betas=(0.5, 0.999))
            for name, network in self.networks.items()
        }

    def rate(self, progress: float) -> float:
        """Constant for the first half of the budget, then linearly to 0."""
        return min(1.0, 2 - 2 * progress)

    def train_step(self, batch: Batch, progress: float, descend: Descend) -> dict[str, Tensor]:
        """One step of the discriminator on half its loss, then one of the generator on GAN + 100 L1."""
        degraded, _ = pad_to_multiple(2 * batch.degraded - 1, MULTIPLE)
        clean, _ = pad_to_multiple(2 * batch.clean - 1, MULTIPLE)
        self.generator.train()
        fake = self.generator(degraded)

        judged_fake = self.discriminator(torch.cat([degraded, fake.detach()], dim=1))
        judged_real = self.discriminator(torch.cat([degraded, clean], dim=1))
        fake_loss = logistic_loss(judged_fake, real=False)
        real_loss = logistic_loss(judged_real, real=True)
        descend(0.5 * (fake_loss + real_loss), self.optimizers["discriminator"])

        gan_loss = logistic_loss(self.discriminator(torch.cat([degraded, fake], dim=1)), real=True)
        l1_loss = F.l1_loss(fake.float(), clean)
        descend(gan_loss + L1_WEIGHT * l1_loss, self.optimizers["generator"])
        return {
            "discriminator_fake": fake_loss,
            "discriminator_real": real_loss,
            "gan": gan_loss,
            "l1": l1_loss,
        }

    def restore(self, degraded: Tensor, mask: Tensor | None) -> Tensor:
        """The generator's output; the image is mirrored up to multiples of 256 and cut out again."""
        self.generator.eval()
        padded, inside = pad_to_multiple(degraded, MULTIPLE)
        translated: Tensor = self.generator(2 * padded - 1)
        return (translated[inside] + 1) / 2


METHOD = Declaration(
    name="pix2pix",
    summary="conditional GAN on pairs: U-Net with L1 and a patch discriminator (Isola et al. 2017)",
    build=Pix2Pix,
    trains="paired",
    tile=1024,
)
