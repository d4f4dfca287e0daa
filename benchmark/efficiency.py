"""What a method costs: weights, arithmetic, time and memory for one image of a given size.

Times and memory are of this machine at this moment and go to no table that has to come out the same twice.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

STATUS, CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")
MEGABYTE = 1e6


@dataclass(frozen=True)
class Efficiency:
    """Costs of restoring one image.

    Args:
        parameters: weights of all networks, trainable or not.
        macs: multiply-accumulates of convolutions, matrix products and attention, the backward passes of
            methods that optimise on the image included; 0 for one that has none in torch.
        latency_p50_ms: median time.
        latency_p95_ms: 95th percentile; with few repeats the slowest.
        images_per_s: images in a row, one after another.
        peak_memory_mb: the most memory in use while restoring, less what was in use before: of the device,
            or of the process on the CPU; None where the system does not tell.
        repeats: how many times were measured, after one that was not.
    """

    parameters: int
    macs: int
    latency_p50_ms: float
    latency_p95_ms: float
    images_per_s: float
    peak_memory_mb: float | None
    repeats: int


def measure(
    restore: Callable[[], object],
    networks: Mapping[str, nn.Module],
    device: torch.device,
    *,
    repeats: int = 20,
    seconds: float = 10.0,
) -> Efficiency:
    """Measure a call that restores one image.

    It is called once unmeasured, which warms up caches and counts the arithmetic; then until ``repeats`` or
    ``seconds`` are spent, but at least three times; a call that alone takes longer than ``seconds`` once.

    Args:
        restore: restores one image.
        networks: the method's networks, for their parameters.
        device: where they run; a CUDA device is waited for at the end of each call.
        repeats: most measured calls.
        seconds: time after which no call is started.
    """
    with FlopCounterMode(display=False, custom_mapping=_attention_on_cpu()) as counter:
        first = _timed(restore, device)
    least = 1 if first > seconds else 3
    times: list[float] = []
    memory = _PeakMemory(device)
    while len(times) < least or (len(times) < repeats and sum(times) < seconds):
        times.append(_timed(restore, device))
    milliseconds = 1000 * np.array(times)
    return Efficiency(
        parameters=sum(tensor.numel() for network in networks.values() for tensor in network.parameters()),
        macs=counter.get_total_flops() // 2,
        latency_p50_ms=float(np.percentile(milliseconds, 50)),
        latency_p95_ms=float(np.percentile(milliseconds, 95)),
        images_per_s=len(times) / sum(times),
        peak_memory_mb=memory.megabytes(),
        repeats=len(times),
    )


def _attention_on_cpu() -> dict[Any, Any]:
    """Fused attention on the CPU, which torch's counter of 2.13 passes over; counted as the one on GPUs."""
    from torch.utils.flop_counter import sdpa_flop_count

    fused = getattr(torch.ops.aten, "_scaled_dot_product_flash_attention_for_cpu", None)
    if fused is None:
        return {}

    def count(query: Any, key: Any, value: Any, *_: object, **__: object) -> int:
        return int(sdpa_flop_count(query, key, value))

    return {fused: count}


class _PeakMemory:
    """The most memory in use since it was made, less what was in use then."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(device)
            self.before: int | None = torch.cuda.memory_allocated(device)
            return
        _give_back_freed_memory()
        try:
            CLEAR.write_text("5")  # Linux: the high-water mark starts anew.
            self.before = _process("VmRSS")
        except OSError:
            self.before = None

    def megabytes(self) -> float | None:
        if self.before is None:
            return None
        peak = (
            torch.cuda.max_memory_allocated(self.device) if self.device.type == "cuda" else _process("VmHWM")
        )
        return max(peak - self.before, 0) / MEGABYTE


def _give_back_freed_memory() -> None:
    """What the process freed and kept would be used again without being seen."""
    gc.collect()
    with contextlib.suppress(AttributeError, OSError, TypeError):  # Only glibc has it.
        ctypes.CDLL(None).malloc_trim(0)


def _process(field: str) -> int:
    """A line of the process' status, in bytes."""
    for line in STATUS.read_text().splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) * 1024
    raise OSError(f"{STATUS} has no {field}")


def _timed(restore: Callable[[], object], device: torch.device) -> float:
    start = time.perf_counter()
    restore()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - start
