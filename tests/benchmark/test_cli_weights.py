from __future__ import annotations

import hashlib
import io
import json
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import Outcome
from faultyserver import Site, serving
from pictures import picture

from benchmark import catalog, datasets
from benchmark.catalog import DataSet, RemoteFile, Weights
from degradekit import imagefiles, sources

Call = Callable[..., Outcome]
CONTENT = bytes(range(256)) * 4000
PHOTOGRAPH = imagefiles.encode_png(picture(0))


def _remote(url: str, content: bytes, known: bool = True) -> RemoteFile:
    return RemoteFile(url, len(content), hashlib.sha256(content).hexdigest() if known else None)


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> object:
    """A site with one weight file, one archive and two loose photographs, and a catalogue of them."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as opened:
        opened.writestr("SET/images/a.png", PHOTOGRAPH)
        opened.writestr("SET/readme.txt", b"hello")
    content = {"/w/net-0000.pth": CONTENT, "/d/set.zip": archive.getvalue(), "/d/1.png": PHOTOGRAPH}
    content["/d/2.png"] = imagefiles.encode_png(picture(1))
    with serving(Site(content)) as served:
        weights = {
            "net": Weights("net", "a network", "MIT", _remote(f"{served.url}/w/net-0000.pth", CONTENT)),
            "other": Weights("other", "another", "MIT", _remote(f"{served.url}/w/other.pth", b"1234")),
        }
        packed = (_remote(f"{served.url}/d/set.zip", archive.getvalue()),)
        loose = tuple(_remote(f"{served.url}/d/{n}.png", content[f"/d/{n}.png"], n == 1) for n in (1, 2))
        data = {
            "packed": DataSet("packed", "packed", "http://x", "CC0", packed, True, "SET/images"),
            "loose": DataSet("loose", "loose", "http://x", "CC0", loose, False, "."),
        }
        monkeypatch.setattr(catalog, "weights", lambda: weights)
        monkeypatch.setattr(catalog, "data", lambda: data)
        monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
        monkeypatch.setenv("DEGRADEKIT_DATA", str(tmp_path / "data"))
        monkeypatch.setattr("time.sleep", lambda seconds: None)
        yield served


def test_weights_are_fetched_where_torch_looks(call: Call, site: Site, tmp_path: Path) -> None:
    path = tmp_path / "torch/hub/checkpoints/net-0000.pth"
    assert "not here" in call("benchmark", "weights", "list").out
    assert "net: not here" in call("benchmark", "weights", "verify").out
    done = call("benchmark", "weights", "fetch", "net")
    assert (done.code, path.read_bytes()) == (0, CONTENT)
    entry = next(
        e for e in json.loads(call("benchmark", "weights", "list", "--json").out) if e["name"] == "net"
    )
    assert (entry["missing"], entry["path"]) == (None, str(path))
    assert call("benchmark", "weights", "verify", "net").out == "net: good\n"
    path.write_bytes(b"x" + CONTENT[1:])
    bad = call("benchmark", "weights", "verify")
    assert bad.code == 4
    assert "its sha256 is" in bad.err
    assert call("benchmark", "weights", "fetch", "net").code == 4


def test_one_that_fails_does_not_stop_the_others(call: Call, site: Site, tmp_path: Path) -> None:
    done = call("benchmark", "weights", "fetch", "other", "net")
    assert done.code == 4
    assert "HTTP 404" in done.err
    assert "1 of 2 failed" in done.err
    assert (tmp_path / "torch/hub/checkpoints/net-0000.pth").is_file()


def test_import_takes_what_is_right_and_refuses_what_is_not(call: Call, site: Site, tmp_path: Path) -> None:
    folder = tmp_path / "stick/deep"
    folder.mkdir(parents=True)
    empty = call("benchmark", "weights", "import", tmp_path / "stick")
    assert (empty.code, "holds none of net-0000.pth" in empty.err) == (4, True)
    (folder / "net-0000.pth").write_bytes(CONTENT)
    (folder / "other.pth").write_bytes(b"4321")
    done = call("benchmark", "weights", "import", tmp_path / "stick")
    assert done.code == 4
    assert "other.pth: its sha256" in done.err
    here = tmp_path / "torch/hub/checkpoints"
    assert {path.name for path in here.iterdir()} == {"net-0000.pth"}
    assert site.requests == []


def test_data_is_fetched_unpacked_and_verified(call: Call, site: Site, tmp_path: Path) -> None:
    listed = call("benchmark", "data", "list").out
    assert "sha256 of 1 of 2 files unknown: recorded at first fetch" in listed
    done = call("benchmark", "data", "fetch", "all")
    assert done.code == 0, done.err
    folders = done.out.split()
    assert folders == [str(tmp_path / "data/packed/files/SET/images"), str(tmp_path / "data/loose/files")]
    assert [len(sources.find([folder])) for folder in folders] == [1, 2]
    # The archive is not kept, and nothing is fetched twice.
    assert not list((tmp_path / "data/packed").glob("*.zip"))
    requests = len(site.requests)
    assert call("benchmark", "data", "fetch", "all", "--offline").code == 0
    assert len(site.requests) == requests
    assert call("benchmark", "data", "verify").out == "packed: good\nloose: good\n"
    photograph = tmp_path / "data/packed/files/SET/images/a.png"
    photograph.write_bytes(PHOTOGRAPH[:-1] + b"x")
    (tmp_path / "data/loose/files/1.png").unlink()
    (tmp_path / "data/loose/files/3.png").write_bytes(PHOTOGRAPH)
    assert f"{photograph}: changed" in call("benchmark", "data", "verify", "packed").err
    faults = call("benchmark", "data", "verify", "loose")
    assert faults.code == 4
    assert "1.png: missing" in faults.err
    assert "3.png: surplus" in faults.err


def test_killed_while_unpacking_it_starts_that_over(call: Call, site: Site, tmp_path: Path) -> None:
    folder = tmp_path / "data/packed"
    assert call("benchmark", "data", "fetch", "packed", "--keep-archives").code == 0
    (folder / datasets.MARK).unlink()
    (folder / "files/SET/images/a.png").write_bytes(b"half")
    (folder / ".files.unpacking").mkdir()
    requests = len(site.requests)
    assert call("benchmark", "data", "fetch", "packed").code == 0
    assert len(site.requests) == requests
    assert (folder / "files/SET/images/a.png").read_bytes() == PHOTOGRAPH
    assert not (folder / ".files.unpacking").exists()


def test_mistakes(call: Call, site: Site, tmp_path: Path) -> None:
    for arguments, code, text in [
        (("weights", "fetch", "nett"), 2, "unknown weights 'nett'; did you mean 'net'"),
        (("weights", "fetch"), 2, "Missing argument"),
        (("weights", "verify", "net"), 4, "benchmark weights fetch net"),
        (("weights", "import", tmp_path / "gone"), 2, "does not exist"),
        (("data", "fetch", "lose"), 2, "did you mean 'loose'"),
        (("data", "verify", "loose"), 4, "not fetched"),
        (("data", "fetch", "packed", "--offline"), 4, "--offline forbids"),
    ]:
        outcome = call("benchmark", *arguments)
        assert outcome.code == code, (arguments, outcome)
        assert text in outcome.err, (arguments, outcome)
    assert site.requests == []


def test_offline_opens_no_socket(tmp_path: Path) -> None:
    # An audit hook hears of every socket that Python makes, whichever module makes it.
    code = (
        "import sys\n"
        "def heard(event, arguments):\n"
        "    if event.startswith('socket.'):\n"
        "        print('opened', event, arguments, file=sys.stderr)\n"
        "        import os; os._exit(99)\n"
        "sys.addaudithook(heard)\n"
        "from benchmark.cli import main\n"
        "sys.argv = ['benchmark', *sys.argv[1:]]\n"
        "main()\n"
    )
    environment = {"TORCH_HOME": str(tmp_path), "DEGRADEKIT_DATA": str(tmp_path), "PATH": "/usr/bin"}
    import os

    environment["PYTHONPATH"] = os.pathsep.join(sys.path)

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-c", code, *arguments],
            capture_output=True,
            text=True,
            check=False,
            env=environment,
        )

    for command in (
        ("weights", "fetch", "all", "--offline"),
        ("data", "fetch", "all", "--offline"),
        ("weights", "verify", "vgg19"),
        ("data", "verify", "kodak"),
    ):
        done = run(*command)
        assert done.returncode == 4, done.stderr
    # The hook does hear one when there is one.
    assert run("weights", "fetch", "squeezenet1_1").returncode == 99
