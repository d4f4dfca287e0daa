"""``benchmark weights``, ``benchmark data`` and ``benchmark metrics``: what the numbers rest on."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from degradekit.commandline import say

if TYPE_CHECKING:
    from benchmark.catalog import RemoteFile, Weights
    from benchmark.selfcheck import Finding

MEGABYTE = 1_000_000
as_json_option = click.option("--json", "as_json", is_flag=True, help="As JSON on stdout.")
offline_option = click.option(
    "--offline", is_flag=True, help="Open no socket: what is not there is an error."
)


@click.group()
def weights() -> None:
    """Official weights of the networks that metrics and losses use.

    They lie where torch.hub looks, so that torchvision, lpips and pytorch-fid find them too; TORCH_HOME moves
    them. On a machine without network: fetch on another one, then `benchmark weights import DIR`.
    """


@weights.command("list")
@as_json_option
def list_weights(as_json: bool) -> None:
    """List the weights: what for, how large, under which licence, here or not."""
    from benchmark import catalog

    entries = [
        {
            "name": name,
            "summary": entry.summary,
            "licence": entry.licence,
            "url": entry.file.url,
            "bytes": entry.file.size,
            "sha256": entry.file.sha256,
            "path": str(entry.path),
            "missing": catalog.missing(name),
        }
        for name, entry in catalog.weights().items()
    ]
    if as_json:
        click.echo(json.dumps(entries, indent=2))
        return
    for entry, known in zip(entries, catalog.weights().values(), strict=True):
        here = "not here" if entry["missing"] else "here"
        click.echo(f"{click.style(known.name, bold=True)} ({_megabytes(known.file.size)}, {here})")
        click.echo(f"  {known.summary}\n  {known.licence}\n  {known.file.url}\n  sha256 {known.file.sha256}")
    click.echo(f"They lie in {catalog.checkpoints()}.")


@weights.command("fetch")
@click.argument("names", nargs=-1, required=True, metavar="NAME...|all")
@offline_option
def fetch_weights(names: tuple[str, ...], offline: bool) -> None:
    """Fetch weights; what is here already is compared with its hash instead."""
    from benchmark import fetch

    chosen = _weights(names)

    def get(entry: Weights) -> None:
        with _reporting(entry.file) as on_progress:
            new = fetch.fetch(entry.file, entry.path, offline=offline, on_progress=on_progress)
        say(f"{entry.name}: {'fetched' if new else 'is here'}, {entry.path}")

    _all_or_complain([(entry.name, partial(get, entry)) for entry in chosen])


@weights.command("import")
@click.argument("folder", type=click.Path(path_type=Path, exists=True, file_okay=False), metavar="DIR")
def import_weights(folder: Path) -> None:
    """Copy official weight files out of a folder, found by name below it, if their hash is right."""
    from benchmark import catalog, fetch
    from degradekit import atomicfiles
    from degradekit.errors import DataError

    found = [
        (entry, path)
        for entry in catalog.weights().values()
        for path in sorted(folder.rglob(entry.file.name))[:1]
    ]
    if not found:
        known = ", ".join(entry.file.name for entry in catalog.weights().values())
        raise DataError(f"{folder}: holds none of {known}")

    def take(entry: Weights, path: Path) -> None:
        fetch.check(entry.file, path)
        if path.resolve() != entry.path.resolve():
            with path.open("rb") as source, atomicfiles.writing(entry.path) as target:
                while chunk := source.read(1 << 20):
                    target.write(chunk)
        say(f"{entry.name}: {entry.path}")

    _all_or_complain([(entry.name, partial(take, entry, path)) for entry, path in found])


@weights.command("verify")
@click.argument("names", nargs=-1, metavar="[NAME...]")
def verify_weights(names: tuple[str, ...]) -> None:
    """Compare the hashes of the weights that are here; named ones have to be here. Opens no socket."""
    from benchmark import fetch
    from degradekit.errors import DataError

    def check(entry: Weights) -> None:
        if not entry.path.is_file():
            if names:
                raise DataError(f"{entry.path}: not there; {entry.command}")
            click.echo(f"{entry.name}: not here")
            return
        fetch.check(entry.file, entry.path)
        click.echo(f"{entry.name}: good")

    chosen = _weights(names or ("all",))
    _all_or_complain([(entry.name, partial(check, entry)) for entry in chosen])


@click.group()
def data() -> None:
    """Public data sets to train and test on.

    They lie in DEGRADEKIT_DATA, or in ~/.local/share/degradekit/data. Each has terms of its own: `list` shows
    them.
    """


home_option = click.option(
    "--home", type=click.Path(path_type=Path), metavar="DIR", help="Folder of all data sets."
)


@data.command("list")
@home_option
@as_json_option
def list_data(home: Path | None, as_json: bool) -> None:
    """List the data sets: what they hold, how large, under which licence, here or not."""
    from benchmark import catalog, datasets

    home = home or datasets.home()
    entries: list[dict[str, Any]] = [
        {
            "name": name,
            "summary": entry.summary,
            "licence": entry.licence,
            "homepage": entry.homepage,
            "bytes": _total(file.size for file in entry.files),
            "files": [{"url": file.url, "bytes": file.size, "sha256": file.sha256} for file in entry.files],
            "fetched": datasets.is_fetched(home / name),
            "photographs": str(datasets.photographs(entry, home / name)),
        }
        for name, entry in catalog.data().items()
    ]
    if as_json:
        click.echo(json.dumps(entries, indent=2))
        return
    for entry in entries:
        here = "here" if entry["fetched"] else "not here"
        click.echo(f"{click.style(entry['name'], bold=True)} ({_megabytes(entry['bytes'])}, {here})")
        click.echo(f"  {entry['summary']}\n  {entry['licence']}\n  {entry['homepage']}")
        unknown = sum(file["sha256"] is None for file in entry["files"])
        if unknown:
            whose = "" if unknown == len(entry["files"]) else f" of {unknown} of {len(entry['files'])} files"
            click.echo(f"  sha256{whose} unknown: recorded at first fetch")
    click.echo(f"They lie in {home}.")


@data.command("fetch")
@click.argument("names", nargs=-1, required=True, metavar="NAME...|all")
@home_option
@offline_option
@click.option("--keep-archives", is_flag=True, help="Keep archives after unpacking them.")
def fetch_data(names: tuple[str, ...], home: Path | None, offline: bool, keep_archives: bool) -> None:
    """Fetch and unpack data sets; prints the folders of their photographs, for --train and --test."""
    from benchmark import catalog, datasets

    home = home or datasets.home()
    chosen = [catalog.find_data(name) for name in (catalog.data() if names == ("all",) else names)]

    def get(data_set: catalog.DataSet) -> None:
        folder = home / data_set.name
        say(f"{data_set.name}: {data_set.licence}")
        new = datasets.get(
            data_set, folder, offline=offline, keep_archives=keep_archives, reporter=_reporting
        )
        say(f"{data_set.name}: {'fetched' if new else 'is here'}")
        click.echo(datasets.photographs(data_set, folder))

    _all_or_complain([(one.name, partial(get, one)) for one in chosen])


@data.command("verify")
@click.argument("names", nargs=-1, metavar="[NAME...]")
@home_option
def verify_data(names: tuple[str, ...], home: Path | None) -> None:
    """Hash the files of fetched data sets again; named ones have to be here. Opens no socket."""
    from benchmark import catalog, datasets
    from degradekit import progress
    from degradekit.errors import DataError

    home = home or datasets.home()

    def check(name: str) -> None:
        folder = home / name
        if not names and not datasets.is_fetched(folder):
            click.echo(f"{name}: not here")
            return
        with progress.reporter(f"files of {name}") as on_progress:
            faults = list(datasets.verify(folder, on_progress))
        if faults:
            raise DataError(f"{len(faults)} files differ: " + "; ".join(faults[:5]))
        click.echo(f"{name}: good")

    chosen = [catalog.find_data(name).name for name in names or catalog.data()]
    _all_or_complain([(name, partial(check, name)) for name in chosen])


@click.group()
def metrics() -> None:
    """Whether the metrics here give the numbers that they should."""


@metrics.command()
@as_json_option
def selfcheck(as_json: bool) -> None:
    """Recompute golden values, and compare with other packages that are installed; some seconds.

    Prints the signed difference and, where numbers are known to differ, why. Exit code 5 if two that should
    agree do not.
    """
    from benchmark import selfcheck as check
    from degradekit.errors import GateError

    found = []
    for finding in check.findings():
        found.append(finding)
        if not as_json:
            click.echo(_described(finding))
    if as_json:
        click.echo(
            json.dumps([{**vars(one), "difference": one.difference, "good": one.good} for one in found])
        )
    wrong = [f"{one.metric} against {one.against}" for one in found if not one.good]
    if wrong:
        raise GateError(f"{len(wrong)} of {len(found)} comparisons do not hold: {'; '.join(wrong)}")


def _described(finding: Finding) -> str:
    name = finding.metric.ljust(13)
    if finding.difference is None:
        return f"   {name}  {finding.against}: {finding.reason}"
    sign = " !" if not finding.good else "= " if finding.tolerance is not None else "~ "
    reason = f" ({finding.reason})" if finding.reason else ""
    numbers = f"{finding.ours:.6f} here, {finding.theirs:.6f} there, {finding.difference:+.2e}"
    return f"{sign} {name}  {numbers}  {finding.against}{reason}"


def _weights(names: Sequence[str]) -> list[Weights]:
    from benchmark import catalog

    return [catalog.find_weights(name) for name in (catalog.weights() if "all" in names else names)]


def _all_or_complain(jobs: Sequence[tuple[str, Callable[[], None]]]) -> None:
    """Do every job even when one fails.

    Raises:
        DataError: some failed; the message has every reason.
    """
    from degradekit.errors import DataError

    faults = []
    for name, job in jobs:
        try:
            job()
        except DataError as error:
            faults.append(str(error))
            if len(jobs) > 1:
                say(f"{name}: {error}")
    if faults:
        raise DataError("; ".join(faults) if len(jobs) == 1 else f"{len(faults)} of {len(jobs)} failed")


@contextmanager
def _reporting(file: RemoteFile) -> Iterator[Callable[[int, int], None]]:
    """Progress in megabytes: gives ``report(bytes here, bytes in all)``."""
    from degradekit import progress

    with progress.reporter(f"MB of {file.name}") as report:
        yield lambda done, total: report(done // MEGABYTE, max(total, done) // MEGABYTE)


def _total(sizes: Iterable[int | None]) -> int | None:
    """The sum, or None if one is unknown."""
    known = list(sizes)
    return None if None in known else sum(size for size in known if size is not None)


def _megabytes(size: int | None) -> str:
    return "size unknown" if size is None else f"{size / MEGABYTE:,.0f} MB"
