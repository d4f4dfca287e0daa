from __future__ import annotations

from pathlib import Path

import pytest
import torch
from officialweights import pretend_official

from benchmark import catalog, features
from degradekit.errors import DataError, OptionError


@pytest.fixture
def checkpoints(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    folder = tmp_path / "hub/checkpoints"
    folder.mkdir(parents=True)
    return folder


def test_weights_lie_where_torch_hub_looks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for variables in ({}, {"XDG_CACHE_HOME": str(tmp_path)}, {"TORCH_HOME": str(tmp_path / "t")}):
        with monkeypatch.context() as patch:
            for name in ("XDG_CACHE_HOME", "TORCH_HOME"):
                patch.delenv(name, raising=False)
            for name, value in variables.items():
                patch.setenv(name, value)
            there = Path(torch.hub.get_dir()) / "checkpoints"
            assert catalog.checkpoints() == there
            with pytest.MonkeyPatch.context() as without_torch:
                without_torch.delitem(__import__("sys").modules, "torch.hub")
                assert catalog.checkpoints() == there


def test_without_weights_there_is_no_network(checkpoints: Path) -> None:
    assert features.present() == {}
    assert features.vgg19() is None
    assert features.inception() is None
    assert features.lpips("alex") is None
    assert features.missing("vgg19") == "weights missing: benchmark weights fetch vgg19"
    with pytest.raises(OptionError, match="did you mean 'vgg19'"):
        features.missing("vgg91")


def test_a_file_that_is_not_the_official_one_is_refused(checkpoints: Path) -> None:
    entry = catalog.find_weights("squeezenet1_1")
    entry.path.write_bytes(b"short")
    assert "weights damaged" in str(features.missing("squeezenet1_1"))
    assert features.present() == {}
    with entry.path.open("wb") as file:
        file.truncate(entry.file.size)
    # Right in name and size only.
    assert set(features.present()) == {"squeezenet1_1"}
    with pytest.raises(DataError, match="not the official file"):
        features.lpips("squeeze")


def test_vgg19_reads_torchvisions_file(checkpoints: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    features.torchvision()
    from torchvision.models import vgg19

    torch.manual_seed(0)
    with torch.device("meta"):
        shapes = {key: tensor.shape for key, tensor in vgg19().state_dict().items()}
    state = {
        key: torch.randn(shape) * (2 / (9 * shape[1])) ** 0.5
        if key.endswith("weight")
        else torch.zeros(shape)
        for key, shape in shapes.items()
        if key.startswith("features")
    }
    path = checkpoints / "vgg19-00000000.pth"
    torch.save(state, path)
    pretend_official(monkeypatch, "vgg19", path)
    before = torch.get_rng_state()
    network = features.vgg19()
    assert network is not None
    assert torch.equal(before, torch.get_rng_state())
    assert set(features.present()) == {"vgg19"}
    assert not any(parameter.requires_grad for parameter in network.parameters())

    with torch.device("meta"):
        reference = vgg19().features
    reference = reference.to_empty(device="cpu")
    reference.load_state_dict({key.removeprefix("features."): tensor for key, tensor in state.items()})
    image = torch.rand(2, 3, 40, 32)
    activations = network(image)
    assert len(activations) == 16
    for name, length in (("relu1_1", 2), ("relu2_2", 9), ("relu3_4", 18), ("relu4_1", 21), ("relu5_4", 36)):
        assert torch.allclose(activations[name], reference[:length](image), atol=1e-6)


def test_gradients_reach_the_image_and_nothing_else() -> None:
    network = features.Vgg19()
    image = torch.rand(1, 3, 16, 16, requires_grad=True)
    network(image)["relu5_4"].mean().backward()
    assert image.grad is not None
    assert all(parameter.grad is None for parameter in network.parameters())


def test_the_catalogue_is_whole() -> None:
    for entry in catalog.weights().values():
        assert entry.file.url.startswith("https://")
        assert entry.file.sha256 is not None
        # torch.hub's convention: the name ends with the first eight digits of the hash.
        assert entry.file.sha256[:8] in entry.file.name
    for data_set in catalog.data().values():
        assert data_set.licence
        assert len({file.name for file in data_set.files}) == len(data_set.files)
        for file in data_set.files:
            assert file.sha256 is None or len(file.sha256) == 64
    assert len(catalog.data()["kodak"].files) == 24
