from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from pictures import picture
from safetensors import safe_open
from torch import Tensor, nn

import reference_model
from benchmark import checkpoints, method
from benchmark.data import Batch, as_batch
from benchmark.descent import Descent
from benchmark.method import Setting
from degradekit.errors import DataError
from reference_model import triplet
from reference_model.config import BEST, RELEASED, Config
from reference_model.discriminators import MultiscaleDiscriminator
from reference_model.mapping import PlainMapping
from reference_model.tone import Tone, corrected
from reference_model.triplet import Triplet
from reference_model.vae import PlainVae, SkipVae, cosine_transform

DESCEND = Descent(device=torch.device("cpu"))
NARROW = 1 / 16
STAGES = {"old": 0.1, "clean": 0.3, "mapping": 0.8}


def _count(network: nn.Module) -> int:
    return sum(tensor.numel() for tensor in network.parameters())


def _built(config: Config = RELEASED, **changes: object) -> Triplet:
    torch.manual_seed(0)
    return Triplet(config.changed(width=NARROW, **changes))


def _batch(real: bool = False, side: int = 64) -> Batch:
    clean = torch.cat([as_batch(picture(seed, side, side)) for seed in range(2)])
    mask = torch.zeros(2, 1, side, side)
    mask[..., 10:20, 30:40] = 1
    degraded = torch.where(mask > 0, torch.ones_like(clean), clean * 0.6 + 0.2)
    return Batch(degraded, clean, mask, degraded.flip(3) if real else None)


def _state(network: nn.Module) -> list[Tensor]:
    return [tensor.clone() for tensor in network.state_dict().values()]


def _moved(before: list[Tensor], network: nn.Module) -> bool:
    return any(not torch.equal(a, b) for a, b in zip(before, network.state_dict().values(), strict=True))


def test_the_published_networks() -> None:
    assert _count(PlainVae()) == 872_131
    assert _count(PlainMapping(64, 64, partial_nonlocal=False)) == 36_135_232
    assert _count(PlainMapping(64, 64, partial_nonlocal=True)) == 51_344_704
    assert _count(MultiscaleDiscriminator(3, 64)) == 5_529_474
    assert _count(MultiscaleDiscriminator(6, 64, spectral=True)) == 5_535_618
    assert _count(MultiscaleDiscriminator(64, 64, scales=1)) == 2_827_201


def test_sizes_of_maps() -> None:
    vae, image = PlainVae(4), torch.rand(1, 3, 64, 48)
    assert vae.encoder(image).shape == (1, 4, 16, 12)
    assert vae(image)[1].shape == image.shape
    fine, coarse = MultiscaleDiscriminator(3, 4)(torch.rand(1, 3, 256, 256))
    assert [one.shape[3] for one in fine] == [129, 65, 33, 34, 35]
    assert [one.shape[3] for one in coarse] == [65, 33, 17, 18, 19]


@pytest.mark.parametrize("stage", STAGES)
def test_a_released_stage_trains_its_networks_and_no_others(stage: str) -> None:
    model = _built()
    before = {name: _state(network) for name, network in model.networks.items()}
    model.train_step(_batch(), STAGES[stage], DESCEND)
    moved = {name for name, network in model.networks.items() if _moved(before[name], network)}
    first = "mapping" if stage == "mapping" else f"vae_{stage}"
    assert moved == {first, f"discriminator_{stage}"}


def test_gradients_reach_every_weight_of_the_mapping_and_through_the_frozen_decoder() -> None:
    for config in (RELEASED, BEST):
        model = _built(config)
        if config is BEST:  # Its residuals start at zero: what is before them has no gradient at first.
            model.mapping.apply(
                lambda m: nn.init.normal_(m.weight, 0, 0.1) if isinstance(m, nn.Conv2d) else None
            )
        batch = _batch()
        code = model.translate(2 * batch.degraded - 1, batch.mask)
        (model.vae_clean.decoder(code) - batch.clean).abs().mean().backward()
        # Normalisation right after takes away what these biases add.
        idle = {name for name, t in model.mapping.named_parameters() if name.endswith("bias")}
        for name, tensor in model.mapping.named_parameters():
            assert name in idle or (tensor.grad is not None and tensor.grad.abs().sum() > 0), name


def test_two_stages_unfrozen_and_joint() -> None:
    unfrozen = _built(schedule="unfrozen", latent_gan="none")
    before = {name: _state(network) for name, network in unfrozen.networks.items()}
    unfrozen.train_step(_batch(), STAGES["mapping"], DESCEND)
    assert all(_moved(before[name], unfrozen.networks[name]) for name in ("mapping", "vae_old", "vae_clean"))
    joint = _built(schedule="joint", latent_gan="none")
    losses = joint.train_step(_batch(), 0.0, DESCEND)
    assert {"old_gan", "clean_gan", "mapping_latent"} <= set(losses)
    assert not joint.memory


@pytest.mark.parametrize("config", [RELEASED, BEST])
def test_real_photographs_are_aligned_if_there_are_any(config: Config) -> None:
    progress = 0.1 if config is RELEASED else 0.25
    model = _built(config)
    before = _state(model.memory["discriminator_latent"])
    assert "latent_gan" not in " ".join(model.train_step(_batch(), progress, DESCEND))
    assert not _moved(before, model.memory["discriminator_latent"])
    assert any("real photographs" in note for note in model.notes)
    assert "old_latent_gan" in model.train_step(_batch(real=True), progress, DESCEND)
    assert _moved(before, model.memory["discriminator_latent"])
    assert not any("real photographs" in note for note in model.notes)


def test_the_released_latent_loss_moves_real_codes_alone() -> None:
    for kind, expected in (("one_sided", 0.0), ("symmetric", None)):
        model = _built(latent_gan=kind)
        code = torch.randn(4, model.vae_old.latent, 16, 16, requires_grad=True)
        align, _ = model._align(code, 2, DESCEND)
        (gradient,) = torch.autograd.grad(align, code)
        made, real = float(gradient[:2].abs().sum()), float(gradient[2:].abs().sum())
        assert real > 0
        assert made == expected if expected is not None else made > 0


def test_the_released_weights_of_losses(monkeypatch: pytest.MonkeyPatch) -> None:
    model = _built()
    totals: list[float] = []

    def record(loss: Tensor, *optimizers: object, clip_norm: float | None = None) -> None:
        totals.append(float(loss.detach()))

    found = {k: float(v.detach()) for k, v in model.train_step(_batch(), 0.8, record).items()}
    expected = (
        60 * found["mapping_latent"]
        + found["mapping_gan"]
        + 10 * found["mapping_matching"]
        + 10 * found["mapping_pixels"]
    )
    assert totals == pytest.approx([found["mapping_judge"], expected], rel=1e-5)
    totals.clear()
    found = {k: float(v.detach()) for k, v in model.train_step(_batch(real=True), 0.1, record).items()}
    expected = (
        found["old_gan"]
        + 10 * found["old_matching"]
        + 10 * found["old_pixels"]
        + found["old_code_size"]
        + found["old_latent_gan"]
    )
    assert totals[-1] == pytest.approx(expected, rel=1e-5)


def test_defects_are_painted_white_before_the_released_encoder() -> None:
    model, batch = _built(), _batch()
    other = torch.where(batch.mask > 0, torch.zeros_like(batch.degraded), batch.degraded)
    assert torch.equal(
        model.translate(2 * batch.degraded - 1, batch.mask), model.translate(2 * other - 1, batch.mask)
    )


def test_the_skip_autoencoder_starts_lossless() -> None:
    transform = cosine_transform()
    assert torch.allclose(transform @ transform.T, torch.eye(48), atol=1e-6)
    vae, image = SkipVae(8), torch.rand(1, 3, 32, 48) * 2 - 1
    assert torch.allclose(vae.decoder(vae.encoder(image)), image, atol=1e-5)
    assert not torch.allclose(vae(image)[1], image, atol=1e-2)


def test_our_untrained_model_gives_back_its_input() -> None:
    model, batch = _built(BEST), _batch()
    with torch.no_grad():
        restored = model.restore(batch.degraded[:1], batch.mask[:1])
    assert torch.allclose(restored, batch.degraded[:1], atol=1e-5)


def test_tone_is_learned_from_the_histogram() -> None:
    torch.manual_seed(0)
    tone = Tone(32)
    optimizer = torch.optim.Adam(tone.parameters(), lr=3e-3)
    clean = torch.cat([2 * as_batch(picture(seed)) - 1 for seed in range(8)])
    faded = 0.5 * clean + torch.tensor([0.3, 0.1, -0.2]).view(3, 1, 1)
    for _ in range(150):
        optimizer.zero_grad()
        (corrected(faded, tone(faded)) - clean).square().mean().backward()
        optimizer.step()
    after = (corrected(faded, tone(faded)) - clean).square().mean().detach()
    assert float(after) < 0.1 * float((faded - clean).square().mean())


def test_tiles_have_one_tone(monkeypatch: pytest.MonkeyPatch) -> None:
    model = _built(BEST)
    assert model.tone is not None
    nn.init.normal_(model.tone.layers[-1].weight, 0, 0.05)
    image = as_batch(picture(0, 200, 300))
    with torch.no_grad():
        whole = model.restore(image, None)
        monkeypatch.setattr(triplet, "TILE_PX", 144)
        tiles = model.restore(image, None)
    assert torch.allclose(whole, tiles, atol=1e-4)
    assert not torch.allclose(whole, image, atol=0.01)


@pytest.mark.parametrize("name", ["triplet", "triplet_best"])
def test_a_resumed_training_ends_with_the_same_weights(name: str, tmp_path: Path) -> None:
    model, again = (method.find(name).build(Setting(width=NARROW)) for _ in range(2))
    assert isinstance(model, Triplet)
    assert isinstance(again, Triplet)
    steps = [0.05, 0.25, 0.27, 0.8, 0.9]
    averages = checkpoints.Averages(model)
    for number, progress in enumerate(steps, 1):
        torch.manual_seed(number)
        model.train_step(_batch(real=True), progress, DESCEND)
        averages.update(model, number)
        if number == 3:
            path = tmp_path / "checkpoint.pt"
            checkpoints.save(model, averages, path, key="k", step=number, seconds=1.0, scaler={})
    means = checkpoints.Averages(again)
    device = torch.device("cpu")
    assert checkpoints.resume(again, means, tmp_path / "checkpoint.pt", key="k", device=device) is not None
    for number, progress in list(enumerate(steps, 1))[3:]:
        torch.manual_seed(number)
        again.train_step(_batch(real=True), progress, DESCEND)
        means.update(again, number)
    # That codes were made alike before the checkpoint is not forgotten.
    assert again.notes == model.notes
    assert not any("real photographs" in note for note in again.notes)
    for one, other in ((model.networks, again.networks), (averages.networks, means.networks)):
        for key in one:
            assert not _moved(_state(one[key]), other[key])


@pytest.mark.parametrize("config", [RELEASED, BEST])
@pytest.mark.parametrize("kind", ["uint8", "uint16", "float32"])
def test_weights_are_enough_to_restore(config: Config, kind: str, tmp_path: Path) -> None:
    built = _built(config)
    checkpoints.save_weights(built, tmp_path / "weights.safetensors")
    model = reference_model.load(tmp_path)
    assert model.config == built.config
    white = {"uint8": 255, "uint16": 65535}.get(kind, 1.0)
    image = as_batch(picture(0, 37, 53))
    photo = (image[0].permute(1, 2, 0).numpy() * white).astype(kind)
    mask = np.zeros((37, 53), bool)
    mask[5:9, 10:30] = True
    restored = model.restore(photo, mask)
    assert restored.shape == photo.shape
    assert restored.dtype == photo.dtype
    given = torch.from_numpy(photo.astype(np.float32) / np.float32(white)).permute(2, 0, 1)[None]
    with torch.no_grad():
        expected = built.restore(given, torch.from_numpy(mask).float()[None, None])[0].clamp(0, 1)
    distance = np.abs(restored / white - expected.permute(1, 2, 0).numpy()).max()
    assert distance <= (0.51 / white if kind != "float32" else 1e-6)


def test_the_configuration_is_readable_by_others(tmp_path: Path) -> None:
    checkpoints.save_weights(_built(BEST), tmp_path / "w.safetensors")
    with safe_open(tmp_path / "w.safetensors", "pt") as file:
        assert Config.model_validate_json(file.metadata()["reference_model"]) == BEST.changed(width=NARROW)


def test_what_cannot_be_loaded_or_restored_says_so(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be read"):
        reference_model.load(tmp_path / "missing.safetensors")
    (tmp_path / "text.safetensors").write_text("no weights at all")
    with pytest.raises(DataError, match="no weights of the reference model"):
        reference_model.load(tmp_path / "text.safetensors")
    model = reference_model.Restorer(_built())
    with pytest.raises(ValueError, match="a photograph is"):
        model.restore(np.zeros((8, 8), np.uint8))
    with pytest.raises(ValueError, match="the mask is"):
        model.restore(np.zeros((8, 8, 3), np.uint8), np.zeros((4, 4)))
    with pytest.raises(ValueError, match="int64"):
        model.restore(np.zeros((8, 8, 3), np.int64))


def test_vgg_takes_the_place_of_the_pixel_distance(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    from benchmark.features import Vgg19

    model = _built()
    model.vgg = Vgg19()
    found = model.train_step(_batch(), 0.1, DESCEND)
    assert "old_perceptual" in found
    assert "old_pixels" not in found
    assert not any("VGG19" in note for note in model.notes)
