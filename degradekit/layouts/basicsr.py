"""``gt/STEM.png  lq/STEM.png  masks/CLASS/STEM.png`` and the lists that BasicSR and Real-ESRGAN train from.

BasicSR's paired data set (``paired_paths_from_meta_info_file``) takes from a line the base name of the file
in ``gt`` and expects a file of the same name and ending in ``lq``: so no folders below these two, and one
ending for both. Real-ESRGAN's (``generate_meta_info_pairdata.py``) takes ``gt/NAME, lq/NAME``. They split a
line at a space and at a comma and a space: so neither is in a name.
"""

from __future__ import annotations

from pathlib import PurePosixPath

from degradekit.layouts import Layout
from degradekit.layouts.folders import MASKS, FolderReader, FolderWriter
from degradekit.manifest import Row

GT, LQ = "gt", "lq"


def meta_info(row: Row) -> str:
    """``NAME (height,width,channels)``, as BasicSR writes it."""
    channels = 4 if row["alpha"] else 3
    return f"{PurePosixPath(row['clean_file_name']).name} ({row['height']},{row['width']},{channels})"


def meta_info_pair(row: Row) -> str:
    """``gt/NAME, lq/NAME``, as Real-ESRGAN writes it."""
    return f"{row['clean_file_name']}, {row['file_name']}"


LAYOUT = Layout(
    "basicsr",
    lambda folder, _shard: FolderWriter(folder, GT, LQ),
    FolderReader,
    entries=(GT, LQ, MASKS),
    indexes={"meta_info.txt": meta_info, "meta_info_pair.txt": meta_info_pair},
    flat=True,
    one_suffix=True,
    same_suffix=True,
    links=True,
)
