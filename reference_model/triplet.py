"""Triplet-domain translation: old photographs, synthetic old ones and clean ones meet in two latent spaces.

Paper: Wan et al., "Bringing Old Photos Back to Life" (CVPR 2020), and its extension "Old Photo Restoration
via Deep Latent Space Translation" (TPAMI 2022). One autoencoder codes real and synthetic old photographs,
made alike by a latent discriminator, a second codes clean ones, and a mapping translates between the codes.
``triplet`` has the layers, losses and weights of the authors' public code (MIT licence; nothing is copied
from it), which differ from the paper's; parameters at width 1: autoencoders 872,131 each, mapping 51,344,704,
image discriminators 5,529,474 and 5,535,618, latent discriminator 2,827,201. ``triplet_best`` is ours.

Where ``triplet`` differs from the public code, and why:

* one budget for all stages, a quarter for each autoencoder and half for the mapping, about as 200, 200 and
  250 epochs are; each stage's rate is constant for its first half, then falls linearly to 0;
* the synthesis is the run's recipe. Defects are painted white for the mapping, as in the code;
* masks are shrunk by their maximum: the code's bilinear shrinking loses every fourth 1 px line;
* without VGG19's official weights, and below width 0.5, where VGG19 would cost many times the rest, an L1
  distance with the paper's weight 10 takes the place of its losses; in the code these are the only distance
  of pictures there is;
* without real photographs the latent discriminator is left out, and a note in the table says so;
* sides are mirrored up to multiples of 16, not resized; results are not stretched to full contrast.

``docs/triplet.md`` says what ``triplet_best`` changes and what each change is worth.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim import Adam, Optimizer

from benchmark import features
from benchmark.data import Batch, pad_to_multiple
from benchmark.method import Declaration, Descend, Setting
from benchmark.stages import Stages
from benchmark.tiling import tiled
from reference_model import losses
from reference_model.config import BEST, RELEASED, Config
from reference_model.discriminators import MultiscaleDiscriminator
from reference_model.mapping import PlainMapping, PyramidMapping
from reference_model.tone import Tone, corrected
from reference_model.vae import PlainVae, SkipVae

#: Sides are multiples of this: codes have a quarter of them, the pyramid's third scale a sixteenth.
MULTIPLE = 16
#: Larger photographs are restored in tiles of this side, with one tone for all.
TILE_PX = 512
#: Mask values from here on are defects; the public code's threshold for its detector.
LOST = 0.4
MATCHING, PERCEPTUAL, PIXELS, LATENT = 10.0, 10.0, 10.0, 60.0
#: VGG19 costs as much as networks of full width do.
VGG_WIDTH = 0.5
#: Weights of ``triplet_best``: size of codes, latent adversarial, structure, distance of codes.
BEST_CODE, BEST_ALIGN, BEST_STRUCTURE, BEST_LATENT = 1e-3, 0.05, 0.1, 0.1
#: Share of training masks that are dropped or widened: detectors miss some and see others.
MASK_DROP, MASK_WIDEN = 0.3, 0.3

Losses = dict[str, Tensor]


class Memory(nn.Module):
    """What training has to remember from stage to stage beside weights."""

    aligned: Tensor

    def __init__(self) -> None:
        """No real photograph was seen."""
        super().__init__()
        self.register_buffer("aligned", torch.tensor(False))


class Triplet:
    """Autoencoders, mapping and discriminators with their optimisers; ``Trainable``."""

    def __init__(self, config: Config) -> None:
        """Networks as ``config`` says."""
        self.config = config
        wide = max(round(64 * config.width), 4)
        self.vae_old, self.vae_clean = _vae(config, wide), _vae(config, wide)
        self.mapping = _mapping(config, wide, self.vae_old.latent)
        self.tone = Tone(wide) if config.tone else None
        networks: dict[str, nn.Module] = {
            "vae_old": self.vae_old,
            "vae_clean": self.vae_clean,
            "mapping": self.mapping,
        }
        if self.tone is not None:
            networks["tone"] = self.tone
        trained = list(networks)
        if config.adversarial:
            networks |= {
                "discriminator_old": MultiscaleDiscriminator(3, wide),
                "discriminator_clean": MultiscaleDiscriminator(3, wide),
                "discriminator_mapping": MultiscaleDiscriminator(6, wide, spectral=True),
            }
        self.networks: Mapping[str, nn.Module] = networks
        #: Real photographs may never come, so the weights are complete without it.
        self._memory, judges = Memory(), dict[str, nn.Module]()
        if config.latent_gan != "none":
            judges["discriminator_latent"] = MultiscaleDiscriminator(self.vae_old.latent, wide, scales=1)
        self.memory: dict[str, nn.Module] = {**judges, "memory": self._memory} if judges else {}
        rate, betas = (2e-4, (0.5, 0.999)) if config.adversarial else (1e-3, (0.9, 0.99))
        self.optimizers: Mapping[str, Optimizer] = {
            name: Adam(network.parameters(), lr=rate, betas=betas)
            if name in trained
            else Adam(network.parameters(), lr=2e-4, betas=(0.5, 0.999))
            for name, network in (networks | judges).items()
        }
        self.averages = {"mapping": config.average} if config.average else {}
        self.stages = Stages(_shares(config))
        self.vgg = _vgg(config)
        #: Saved with the weights.
        self.about = {"reference_model": config.model_dump_json()}

    @property
    def notes(self) -> tuple[str, ...]:
        """What the table has to say."""
        notes = []
        if self.config.adversarial and self.vgg is None:
            notes.append(
                f"no VGG19 losses, L1 in their place: they need width {VGG_WIDTH} or more and the weights "
                "('benchmark weights fetch vgg19')"
            )
        if self.memory and not self._memory.aligned:
            notes.append("no latent adversarial alignment unless real photographs are given (--real)")
        return tuple(notes)

    def rate(self, progress: float) -> float:
        """Within each stage, constant for a half, then linearly to 0; for ``triplet_best`` half a cosine."""
        _, inside = self.stages.at(progress)
        if self.config.adversarial:
            return min(1.0, 2 - 2 * inside)
        return 0.01 + 0.99 * (1 + math.cos(math.pi * inside)) / 2

    def train_step(self, batch: Batch, progress: float, descend: Descend) -> Losses:
        """One step of the stage that ``progress`` is in."""
        stage, _ = self.stages.at(progress)
        degraded, clean = _centred(batch.degraded), _centred(batch.clean)
        mask, _ = pad_to_multiple(batch.mask, MULTIPLE)
        real = None if batch.real is None else _centred(batch.real)
        found: Losses = {}
        if stage == "tone":
            found |= self._tone_step(degraded, clean, mask, descend)
        if stage in ("old", "joint"):
            found |= self._old_step(degraded, real, descend)
        if stage in ("clean", "joint"):
            found |= self._autoencoder_step("clean", clean, descend)
        if stage in ("mapping", "joint"):
            found |= self._mapping_step(degraded, clean, mask, descend)
        return found

    def restore(self, degraded: Tensor, mask: Tensor | None) -> Tensor:
        """The decoded, mapped code; in tiles if the image is large. Without a mask nothing counts as lost."""
        image = 2 * degraded - 1
        lost = torch.zeros_like(image[:, :1]) if mask is None else mask
        coefficients = None if self.tone is None else self.tone(image)

        def piece(part: Tensor, part_mask: Tensor | None) -> Tensor:
            assert part_mask is not None
            padded, inside = pad_to_multiple(part, MULTIPLE)
            padded_mask, _ = pad_to_multiple(part_mask, MULTIPLE)
            toned = padded if coefficients is None else corrected(padded, coefficients)
            restored: Tensor = self.vae_clean.decoder(self.translate(toned, padded_mask))
            return restored[inside]

        return (tiled(piece, image, lost, side=TILE_PX) + 1) / 2

    def translate(self, image: Tensor, mask: Tensor) -> Tensor:
        """The code of the clean image that ``image`` (B, 3, H, W) in [-1, 1] was, given its mask."""
        lost = (mask >= LOST).to(image.dtype)
        if self.config.mapping == "plain":
            # Painted white, as the public code does in training and in use.
            image = torch.where(lost > 0, torch.ones_like(image), image)
        mapped: Tensor = self.mapping(self.vae_old.encoder(image), lost)
        return mapped

    def encode_old(self, degraded: Tensor) -> Tensor:
        """Codes (B, L, H/4, W/4) of old photographs (B, 3, H, W) in [0, 1], real or synthetic."""
        image = _centred(degraded)
        code: Tensor = self.vae_old.encoder(self._toned(image))
        return code

    def reconstruct(self, clean: Tensor) -> Tensor:
        """Clean photographs (B, 3, H, W) in [0, 1], coded and decoded without noise."""
        padded, inside = pad_to_multiple(2 * clean - 1, MULTIPLE)
        decoded: Tensor = self.vae_clean.decoder(self.vae_clean.encoder(padded))
        return (decoded[inside] + 1) / 2

    def _toned(self, image: Tensor) -> Tensor:
        return image if self.tone is None else corrected(image, self.tone(image))

    def _tone_step(self, degraded: Tensor, clean: Tensor, mask: Tensor, descend: Descend) -> Losses:
        # A quarter of the side is enough for tone.
        small, target, kept = (F.avg_pool2d(t, 4) for t in (degraded, clean, 1 - mask))
        assert self.tone is not None
        distance = losses.charbonnier(kept * corrected(small, self.tone(degraded)), kept * target)
        descend(distance, self.optimizers["tone"])
        return {"tone": distance}

    def _old_step(self, degraded: Tensor, real: Tensor | None, descend: Descend) -> Losses:
        """The old photographs' autoencoder: half synthetic, half real, if there are any."""
        if real is None:
            return self._autoencoder_step("old", self._toned(degraded).detach(), descend)
        self._memory.aligned.fill_(True)
        count = max(min(len(degraded), len(real)) // 2, 1)
        images = torch.cat([degraded[:count], real[:count]])
        return self._autoencoder_step("old", self._toned(images).detach(), descend, synthetic=count)

    def _autoencoder_step(
        self, which: str, image: Tensor, descend: Descend, *, synthetic: int | None = None
    ) -> Losses:
        """Discriminators, then the autoencoder; the first ``synthetic`` images are, the others are real."""
        vae = self.vae_old if which == "old" else self.vae_clean
        code, decoded = vae(image)
        size = losses.code_size(code)
        if self.config.adversarial:
            total, found = self._judged(f"discriminator_{which}", decoded, image, None, descend)
            total = total + size
        else:
            distance = losses.charbonnier(decoded, image)
            found, total = {"pixels": distance}, distance + BEST_CODE * size
        found["code_size"] = size
        if synthetic is not None and self.memory:
            align, found["latent_judge"] = self._align(code, synthetic, descend)
            total = total + (1.0 if self.config.adversarial else BEST_ALIGN) * align
            found["latent_gan"] = align
        descend(total, self.optimizers[f"vae_{which}"])
        return {f"{which}_{name}": loss for name, loss in found.items()}

    def _align(self, code: Tensor, synthetic: int, descend: Descend) -> tuple[Tensor, Tensor]:
        """The autoencoder's loss, and the latent discriminator's, which steps here."""
        judge = self.memory["discriminator_latent"]
        made, real = code[:synthetic], code[synthetic:]
        # Codes of synthetic photographs are the ones that others should look like.
        judged = 0.5 * (
            losses.least_squares(judge(made.detach()), real=True)
            + losses.least_squares(judge(real.detach()), real=False)
        )
        descend(judged, self.optimizers["discriminator_latent"])
        align = losses.least_squares(judge(real), real=True)
        if self.config.latent_gan == "symmetric":
            align = 0.5 * (align + losses.least_squares(judge(made), real=False))
        return align, judged

    def _mapping_step(self, degraded: Tensor, clean: Tensor, mask: Tensor, descend: Descend) -> Losses:
        """The mapping, with what else the configuration lets it train."""
        if not self.config.adversarial:
            mask = _mistaken(mask)
        code = self.translate(self._toned(degraded), mask)
        with torch.no_grad():
            target = self.vae_clean.encoder(clean)
        decoded = self.vae_clean.decoder(code)
        latent = F.l1_loss(code.float(), target.float())
        if self.config.adversarial:
            total, found = self._judged("discriminator_mapping", decoded, clean, degraded, descend)
            total = total + LATENT * latent
        else:
            distance = losses.charbonnier(decoded, clean)
            structure = losses.structural((decoded + 1) / 2, (clean + 1) / 2)
            found = {"pixels": distance, "structure": structure}
            total = distance + BEST_STRUCTURE * structure + BEST_LATENT * latent
        found["latent"] = latent
        names = ["mapping", *(["tone"] if self.tone is not None else [])]
        if self.config.schedule != "frozen":
            names += ["vae_old", "vae_clean"]
        descend(total, *(self.optimizers[name] for name in names), clip_norm=self._clip())
        return {f"mapping_{name}": loss for name, loss in found.items()}

    def _clip(self) -> float | None:
        return None if self.config.adversarial else 1.0

    def _judged(
        self, judge_name: str, made: Tensor, real: Tensor, given: Tensor | None, descend: Descend
    ) -> tuple[Tensor, Losses]:
        """The released recipe's loss of a picture: GAN, feature matching and VGG19 (or L1)."""
        judge = self.networks[judge_name]

        def maps(picture: Tensor) -> list[list[Tensor]]:
            seen: list[list[Tensor]] = judge(picture if given is None else torch.cat([given, picture], dim=1))
            return seen

        judged = 0.5 * (
            losses.least_squares(maps(made.detach()), real=False)
            + losses.least_squares(maps(real), real=True)
        )
        descend(judged, self.optimizers[judge_name])
        made_maps = maps(made)
        with torch.no_grad():
            real_maps = maps(real)
        gan = losses.least_squares(made_maps, real=True)
        matching = losses.feature_matching(made_maps, real_maps)
        found = {"judge": judged, "gan": gan, "matching": matching}
        if self.vgg is None:
            found["pixels"] = F.l1_loss(made.float(), real.float())
            return gan + MATCHING * matching + PIXELS * found["pixels"], found
        self.vgg.to(made.device)
        found["perceptual"] = losses.perceptual(self.vgg(made), self.vgg(real))
        return gan + MATCHING * matching + PERCEPTUAL * found["perceptual"], found


def _vae(config: Config, wide: int) -> PlainVae | SkipVae:
    return PlainVae(wide) if config.autoencoder == "plain" else SkipVae(wide)


def _mapping(config: Config, wide: int, latent: int) -> PlainMapping | PyramidMapping:
    if config.mapping == "plain":
        return PlainMapping(latent, wide, partial_nonlocal=config.partial_nonlocal)
    return PyramidMapping(latent, 4 * wide, partial_nonlocal=config.partial_nonlocal)


def _shares(config: Config) -> tuple[tuple[str, float], ...]:
    if config.schedule == "joint":
        return (("joint", 1.0),)
    if config.adversarial:
        return (("old", 0.25), ("clean", 0.25), ("mapping", 0.5))
    tone = (("tone", 0.1),) if config.tone else ()
    begun = (*tone, ("clean", 0.1), ("old", 0.1))
    return (*begun, ("mapping", 1 - sum(share for _, share in begun)))


def _vgg(config: Config) -> features.Vgg19 | None:
    return features.vgg19() if config.adversarial and config.width >= VGG_WIDTH else None


def _centred(image: Tensor) -> Tensor:
    """[0, 1] to [-1, 1], sides mirrored up to multiples of 16."""
    return pad_to_multiple(2 * image - 1, MULTIPLE)[0]


def _mistaken(mask: Tensor) -> Tensor:
    """Masks (B, 1, H, W) as a detector may find them: some missing, some too wide."""
    draw = torch.rand(len(mask), 1, 1, 1, device=mask.device)
    wide = F.max_pool2d(mask, 9, stride=1, padding=4)
    mask = torch.where(draw < MASK_WIDEN, wide, mask)
    return torch.where(draw > 1 - MASK_DROP, torch.zeros_like(mask), mask)


def declare(name: str, summary: str, config: Config, *, in_all: bool = False) -> Declaration:
    """A method of this configuration."""

    def build(setting: Setting) -> Triplet:
        return Triplet(config.changed(width=setting.width))

    return Declaration(name, summary, build, trains="paired", mask="detected", in_all=in_all)


METHODS = (
    declare(
        "triplet",
        "triplet-domain translation as released: two autoencoders, mapping of codes (Wan et al. 2020)",
        RELEASED,
        in_all=True,
    ),
    declare(
        "triplet_best",
        "our triplet-domain translation: tone first, codes that hold the pixels, mapping at three scales",
        BEST,
        in_all=True,
    ),
    declare(
        "triplet_joint",
        "ablation of triplet: two autoencoders with KL and the mapping, trained at once",
        RELEASED.changed(schedule="joint", latent_gan="none"),
    ),
    declare(
        "triplet_two_stage",
        "ablation of triplet: autoencoders first, then the mapping with them; no latent adversarial loss",
        RELEASED.changed(schedule="unfrozen", latent_gan="none"),
    ),
    declare(
        "triplet_no_nonlocal",
        "ablation of triplet: without the partial non-local block",
        RELEASED.changed(partial_nonlocal=False),
    ),
    declare(
        "triplet_best_no_nonlocal",
        "ablation of triplet_best: without the partial non-local block",
        BEST.changed(partial_nonlocal=False),
    ),
    declare("triplet_best_no_tone", "ablation of triplet_best: without tone", BEST.changed(tone=False)),
    declare(
        "triplet_best_plain_mapping",
        "ablation of triplet_best: with the released mapping at one scale",
        BEST.changed(mapping="plain"),
    ),
    declare(
        "triplet_best_plain_autoencoder",
        "ablation of triplet_best: with the released autoencoders",
        BEST.changed(autoencoder="plain"),
    ),
    declare(
        "triplet_best_unfrozen",
        "ablation of triplet_best: the mapping's loss trains the autoencoders too",
        BEST.changed(schedule="unfrozen"),
    ),
)
