"""Two processes, as torchrun starts them, against one."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from pairfolders import write
from safetensors.torch import load_file

SCRIPT = """
import sys
from pathlib import Path
from benchmark import method, processes, training
from benchmark.data import CropStream, PairSet
from benchmark.profile import Train
name, data, out, width = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]), float(sys.argv[4])
processes.join()
declaration = method.find(name)
budget = Train(iterations=20, batch=4, crop=32, every=20, threads=1, device="cpu")
device = training.prepare(budget)
built = training.build(declaration, method.Setting(width=width, seed=1), device)
crops = CropStream(PairSet(data), crop=32, batch=4, seed=1)
cost = training.train(built, declaration, crops, PairSet(data), budget=budget,
    device=device, seed=1, folder=out, key="k", on_progress=lambda done, total: None)
assert cost["processes"] == processes.count()
processes.leave()
"""


def _port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@pytest.mark.parametrize(("name", "width"), [("owan", 0.25), ("nafnet", 0.125)])
def test_two_processes_train_as_one(name: str, width: float, tmp_path: Path) -> None:
    data = write(tmp_path / "data", count=2)
    script = tmp_path / "train.py"
    script.write_text(SCRIPT)
    weights = []
    for count in (1, 2):
        out = tmp_path / str(count)
        shared = {
            **os.environ,
            "OMP_NUM_THREADS": "1",
            "MASTER_ADDR": "127.0.0.1",
            "MASTER_PORT": str(_port()),
        }
        ranks = [
            subprocess.Popen(
                [sys.executable, script, name, data, out, str(width)],
                env={**shared, **({"RANK": str(rank), "WORLD_SIZE": "2"} if count == 2 else {})},
            )
            for rank in range(count)
        ]
        assert [process.wait(timeout=120) for process in ranks] == [0] * count
        weights.append(load_file(out / "weights.safetensors"))
    one, two = weights
    assert one.keys() == two.keys()
    for key in one:
        assert torch.allclose(one[key], two[key], atol=1e-4), key
