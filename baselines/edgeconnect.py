"""EdgeConnect: fills holes by drawing the edges inside them first, then the picture along these edges.

Paper: Nazeri, Ng, Joseph, Qureshi & Ebrahimi, "EdgeConnect: Generative Image Inpainting with Adversarial Edge
Learning" (2019). Written from the paper and from a table of the release's settings: its code has a
non-commercial licence, and none of it is here. Parameters at width 1: edge generator 10,761,089, inpainting
generator 10,774,595, their discriminators 2,762,752 and 2,763,776.

The four stages of training are parts of the one budget (``STAGES``; the shares are our choice): the edge
network; the inpainting network on true edges; the same on edges drawn by the first network; both together.

Where we differ, and why:

* a fixed budget instead of "until the losses stop falling": in each stage the rate is constant, then falls
  to a tenth over the last quarter, as the paper lowers it; the joint stage has the paper's hundredth;
* holes are those of the training pairs (lost pixels and two around them), or irregular strokes where a crop
  has next to none or almost nothing else; images are the clean halves of the pairs, not resized;
* the discriminator judges again after its own step, and the joint stage goes back once through the sum of
  both networks' losses: the release's order of updates uses weights that have changed since;
* edges outside holes are those of the photograph, when training and when restoring; the release's tests
  take the network's everywhere;
* without VGG19's weights, or below half width, perceptual and style loss are left out, and it says so.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from baselines import holes
from benchmark import features
from benchmark.adversarial import initialise, logistic_loss
from benchmark.data import Batch, pad_to_multiple
from benchmark.method import Descend, Setting
from benchmark.stages import Stages
from benchmark.tiling import tiled

STAGES = Stages((("edge", 0.3), ("inpaint", 0.35), ("edge-inpaint", 0.3), ("joint", 0.05)))
#: Factor on the learning rate of the joint stage.
JOINT_RATE = 0.01
MATCHING_WEIGHT = 10.0
INPAINT_GAN_WEIGHT = 0.1
L1_WEIGHT = 1.0
PERCEPTUAL_WEIGHT = 0.1
STYLE_WEIGHT = 250.0
PERCEPTUAL_LAYERS = ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1")
STYLE_LAYERS = ("relu2_2", "relu3_4", "relu4_4", "relu5_2")
CANNY_SIGMA_PX = 2.0
#: R, G, B in luminance, as scikit-image weighs them.
LUMINANCE = (0.2125, 0.7154, 0.0721)
#: Below this width VGG19 costs many times what the networks do.
VGG_WIDTH = 0.5
#: Two halvings, and room for the mirrored borders of the middle.
MULTIPLE = 16
TILE_PX = 512


class ResidualBlock(nn.Module):
    """A dilated and a plain 3x3 convolution, instance normalised, around the identity."""

    def __init__(self, channels: int, *, spectral: bool) -> None:
        """``channels`` in and out; with spectral normalisation there are no biases."""
        super().__init__()
        first = nn.Conv2d(channels, channels, 3, dilation=2, bias=not spectral)
        second = nn.Conv2d(channels, channels, 3, bias=not spectral)
        self.body = nn.Sequential(
            nn.ReflectionPad2d(2),
            first,
            nn.InstanceNorm2d(channels),
            nn.ReLU(),
            nn.ReflectionPad2d(1),
            second,
            nn.InstanceNorm2d(channels),
        )

    def forward(self, values: Tensor) -> Tensor:
        """Same shape."""
        result: Tensor = values + self.body(values)
        return result


class Generator(nn.Sequential):
    """Both networks' shape: (B, in, H, W) to (B, out, H, W), sides multiples of 4; no last activation.

    Args:
        in_channels: gray, edges and holes, or RGB and edges.
        out_channels: 1 (logits of edges) or 3.
        width: channels of the first level (64 in the paper).
        spectral: spectral normalisation of all convolutions but the last (the edge network).
    """

    def __init__(self, in_channels: int, out_channels: int, *, width: int, spectral: bool) -> None:
        """Random weights, as ``adversarial.initialise`` draws them."""
        layers: list[nn.Module] = [nn.ReflectionPad2d(3), nn.Conv2d(in_channels, width, 7)]
        layers += [nn.InstanceNorm2d(width), nn.ReLU()]
        for channels in (width, 2 * width):
            layers += [nn.Conv2d(channels, 2 * channels, 4, 2, 1), nn.InstanceNorm2d(2 * channels), nn.ReLU()]
        layers += [ResidualBlock(4 * width, spectral=spectral) for _ in range(8)]
        for channels in (4 * width, 2 * width):
            layers += [nn.ConvTranspose2d(channels, channels // 2, 4, 2, 1)]
            layers += [nn.InstanceNorm2d(channels // 2), nn.ReLU()]
        head = nn.Conv2d(width, out_channels, 7)
        super().__init__(*layers, nn.ReflectionPad2d(3), head)
        self.apply(initialise)
        if spectral:
            for module in list(self.modules()):
                if isinstance(module, nn.Conv2d | nn.ConvTranspose2d) and module is not head:
                    spectral_norm(module)


class Discriminator(nn.Module):
    """Judges overlapping 70x70 patches, spectrally normalised: (B, C, H, W) to its five layers' outputs.

    The last are the logits, (B, 1, H/8 - 2, W/8 - 2).
    """

    def __init__(self, in_channels: int, *, width: int) -> None:
        """``width`` channels after the first convolution (64 in the paper)."""
        super().__init__()
        channels = (in_channels, width, 2 * width, 4 * width, 8 * width, 1)
        self.layers = nn.ModuleList(
            nn.Conv2d(before, after, 4, stride, 1, bias=False)
            for before, after, stride in zip(channels, channels[1:], (2, 2, 2, 1, 1), strict=False)
        )
        self.apply(initialise)
        for layer in self.layers:
            spectral_norm(layer)

    def forward(self, image: Tensor) -> list[Tensor]:
        """All layers' outputs, the logits last."""
        outputs = []
        for layer in list(self.layers)[:-1]:
            image = F.leaky_relu(layer(image), 0.2)
            outputs.append(image)
        return [*outputs, self.layers[-1](image)]


class EdgeConnect:
    """Two generators, two discriminators, an optimiser for each; ``Trainable``."""

    def __init__(self, setting: Setting) -> None:
        """Networks of 64 * ``setting.width`` channels at the first level."""
        width = max(round(64 * setting.width), 1)
        self.edge_generator = Generator(3, 1, width=width, spectral=True)
        self.edge_discriminator = Discriminator(2, width=width)
        self.inpaint_generator = Generator(4, 3, width=width, spectral=False)
        self.inpaint_discriminator = Discriminator(3, width=width)
        self.networks: dict[str, nn.Module] = {
            "edge_generator": self.edge_generator,
            "edge_discriminator": self.edge_discriminator,
            "inpaint_generator": self.inpaint_generator,
            "inpaint_discriminator": self.inpaint_discriminator,
        }
        self.optimizers = {
            name: torch.optim.Adam(
                network.parameters(), lr=1e-5 if "discriminator" in name else 1e-4, betas=(0.0, 0.9)
            )
            for name, network in self.networks.items()
        }
        self.vgg = features.vgg19() if setting.width >= VGG_WIDTH else None
        self.notes: tuple[str, ...] = ()
        if setting.width < VGG_WIDTH:
            self.notes = ("EdgeConnect trained without VGG19 losses: networks below half width",)
        elif self.vgg is None:
            self.notes = (
                "EdgeConnect trained without VGG19 losses: weights missing (benchmark weights fetch vgg19)",
            )

    def rate(self, progress: float) -> float:
        """Constant in a stage, then linearly to a tenth over its last quarter; slow in the joint one."""
        stage, inside = STAGES.at(progress)
        return JOINT_RATE if stage == "joint" else 1 - 0.9 * max(0.0, 4 * inside - 3)

    def train_step(self, batch: Batch, progress: float, descend: Descend) -> dict[str, Tensor]:
        """A step of the stage's discriminators, then one of its generators, on the clean images."""
        stage, _ = STAGES.at(progress)
        image, hole = batch.clean, holes.for_training(batch.mask)
        gray = luminance(image)
        edges = canny(gray)
        edge_step = stage in ("edge", "joint")
        self.edge_generator.train(edge_step)
        drawn, generator_loss = edges, image.new_zeros(())
        losses: dict[str, Tensor] = {}
        if stage != "inpaint":
            with torch.set_grad_enabled(edge_step):
                predicted = self.draw_edges(gray, edges * (1 - hole), hole)
            drawn = composite(edges, predicted, hole)
        if edge_step:
            edge_losses = self._edge_losses(gray, edges, predicted, descend)
            generator_loss = (
                generator_loss + edge_losses["edge_gan"] + MATCHING_WEIGHT * edge_losses["matching"]
            )
            losses |= edge_losses
        if stage != "edge":
            inpaint_losses = self._inpaint_losses(image, drawn, hole, descend)
            generator_loss = (
                generator_loss
                + INPAINT_GAN_WEIGHT * inpaint_losses["gan"]
                + L1_WEIGHT * inpaint_losses["l1"]
                + PERCEPTUAL_WEIGHT * inpaint_losses.get("perceptual", 0.0)
                + STYLE_WEIGHT * inpaint_losses.get("style", 0.0)
            )
            losses |= inpaint_losses
        trained = {"edge": ["edge"], "joint": ["edge", "inpaint"]}.get(stage, ["inpaint"])
        descend(generator_loss, *(self.optimizers[f"{name}_generator"] for name in trained))
        return losses

    def draw_edges(self, gray: Tensor, edges: Tensor, hole: Tensor) -> Tensor:
        """Probabilities of edges, (B, 1, H, W), everywhere; ``edges`` are 0 and gray is hidden in holes."""
        logits: Tensor = self.edge_generator(torch.cat([composite(gray, 1.0, hole), edges, hole], dim=1))
        return torch.sigmoid(logits.float())

    def paint(self, image: Tensor, edges: Tensor, hole: Tensor) -> Tensor:
        """The whole image painted anew along ``edges``, (B, 3, H, W) in [0, 1]."""
        values: Tensor = self.inpaint_generator(torch.cat([composite(image, 1.0, hole), edges], dim=1))
        return (torch.tanh(values.float()) + 1) / 2

    def _edge_losses(
        self, gray: Tensor, edges: Tensor, predicted: Tensor, descend: Descend
    ) -> dict[str, Tensor]:
        real, fake = torch.cat([gray, edges], dim=1), torch.cat([gray, predicted], dim=1)
        judged = self._step_discriminator("edge", real, fake, descend)
        with torch.no_grad():
            true = self.edge_discriminator(real)
        outputs = self.edge_discriminator(fake)
        distances = [F.l1_loss(a.float(), b.float()) for a, b in zip(outputs, true, strict=True)]
        gan = logistic_loss(outputs[-1], real=True)
        return {**judged, "edge_gan": gan, "matching": torch.stack(distances).sum()}

    def _inpaint_losses(
        self, image: Tensor, edges: Tensor, hole: Tensor, descend: Descend
    ) -> dict[str, Tensor]:
        painted = self.paint(image, edges, hole)
        judged = self._step_discriminator("inpaint", image, painted, descend)
        gan = logistic_loss(self.inpaint_discriminator(painted)[-1], real=True)
        losses = {**judged, "gan": gan, "l1": F.l1_loss(painted, image) / hole.mean().clamp(min=0.01)}
        if self.vgg is not None:
            vgg = self.vgg.to(image.device)
            losses |= {
                "perceptual": perceptual_loss(vgg, painted, image),
                "style": style_loss(vgg, painted * hole, image * hole),
            }
        return losses

    def _step_discriminator(
        self, name: str, real: Tensor, fake: Tensor, descend: Descend
    ) -> dict[str, Tensor]:
        network = self.networks[f"{name}_discriminator"]
        real_loss = logistic_loss(network(real)[-1], real=True)
        fake_loss = logistic_loss(network(fake.detach())[-1], real=False)
        descend(0.5 * (real_loss + fake_loss), self.optimizers[f"{name}_discriminator"])
        return {f"{name}_discriminator_real": real_loss, f"{name}_discriminator_fake": fake_loss}

    def restore(self, degraded: Tensor, mask: Tensor | None) -> Tensor:
        """The image with the mask's pixels, from half lost on, and two around them filled."""
        if mask is None:
            raise ValueError("EdgeConnect needs the mask of lost pixels")
        return self.fill(degraded, holes.widened(mask >= holes.LOST))

    def fill(self, image: Tensor, hole: Tensor) -> Tensor:
        """The image with ``hole`` (1, 1, H, W; 0 or 1) filled, large ones by tiles; all else untouched."""
        for network in self.networks.values():
            network.eval()
        filled = tiled(self._fill_tile, image, hole, side=TILE_PX).to(image.device)
        return composite(image, filled, hole)

    def _fill_tile(self, image: Tensor, hole: Tensor | None) -> Tensor:
        assert hole is not None
        if not hole.any():
            return image
        padded, inside = pad_to_multiple(torch.cat([image, hole], dim=1), MULTIPLE)
        whole, gap = padded[:, :3], padded[:, 3:]
        gray = luminance(whole)
        edges = canny(gray, outside=gap)
        drawn = composite(edges, self.draw_edges(gray, edges, gap), gap)
        return self.paint(whole, drawn, gap)[inside]


def composite(outside: Tensor, inside: Tensor | float, hole: Tensor) -> Tensor:
    """``inside`` where ``hole`` is 1, ``outside`` where it is 0."""
    return outside * (1 - hole) + inside * hole


def luminance(image: Tensor) -> Tensor:
    """(B, 3, H, W) to (B, 1, H, W)."""
    weights = image.new_tensor(LUMINANCE).view(1, 3, 1, 1)
    return (image * weights).sum(dim=1, keepdim=True)


def canny(gray: Tensor, outside: Tensor | None = None) -> Tensor:
    """Canny edges of (B, 1, H, W), smoothed by 2 px: 0 or 1; none in or at ``outside``'s ones."""
    from skimage import feature

    detect: Callable[..., NDArray[np.bool_]] = feature.canny
    maps = []
    for number, plane in enumerate(gray[:, 0].float().cpu().numpy()):
        seen = None if outside is None else outside[number, 0].cpu().numpy() < 0.5
        maps.append(detect(plane, sigma=CANNY_SIGMA_PX, mask=seen))
    return torch.from_numpy(np.stack(maps)[:, None]).to(gray)


def perceptual_loss(vgg: nn.Module, image: Tensor, target: Tensor) -> Tensor:
    """Mean absolute differences of VGG19's activations, summed over five layers."""
    with torch.no_grad():
        true = vgg(target)
    found = vgg(image)
    return torch.stack([F.l1_loss(found[k].float(), true[k].float()) for k in PERCEPTUAL_LAYERS]).sum()


def style_loss(vgg: nn.Module, image: Tensor, target: Tensor) -> Tensor:
    """Mean absolute differences of the activations' Gram matrices, summed over four layers."""
    with torch.no_grad():
        true = vgg(target)
    found = vgg(image)
    return torch.stack([F.l1_loss(gram(found[k]), gram(true[k])) for k in STYLE_LAYERS]).sum()


def gram(activations: Tensor) -> Tensor:
    """(B, C, H, W) to (B, C, C): products of channels summed over places, over C * H * W."""
    with torch.autocast(activations.device.type, enabled=False):
        flat = activations.float().flatten(2)
        return flat @ flat.transpose(1, 2) / (flat.shape[1] * flat.shape[2])
