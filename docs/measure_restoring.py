"""Peak memory of restoring large photographs with untrained models: ``python docs/measure_restoring.py``.

Prints one line per model and size: width of networks, MiB of the whole process (torch included), seconds.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time

import numpy as np
import torch

from reference_model.config import BEST, RELEASED
from reference_model.restorer import Restorer
from reference_model.triplet import Triplet

CASES = tuple(
    (name, width, size)
    for size in ((800, 1200), (3000, 4000))
    for name in ("released", "best")
    for width in (0.25, 1.0)
)


def measure(name: str, width: float, height: int, across: int) -> dict[str, float]:
    """Restore a photograph of noise with a scratch; seconds and MiB of this process."""
    torch.set_num_threads(1)
    model = Restorer(Triplet({"released": RELEASED, "best": BEST}[name].changed(width=width)))
    photo = np.random.default_rng(0).integers(0, 256, (height, across, 3), np.uint8)
    mask = np.zeros((height, across), np.uint8)
    mask[:, across // 3 : across // 3 + 6] = 255
    start = time.process_time()
    model.restore(photo, mask)
    return {
        "seconds": time.process_time() - start,
        "mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def main() -> None:
    """All cases, each in a process of its own, or those whose width times area is at most the argument."""
    if len(sys.argv) > 2:
        sys.stdout.write(json.dumps(measure(sys.argv[1], float(sys.argv[2]), *map(int, sys.argv[3:5]))))
        return
    limit = float(sys.argv[1]) if len(sys.argv) == 2 else float("inf")
    for name, width, (height, across) in CASES:
        if width * height * across / 1e6 > limit:
            continue
        command = [sys.executable, __file__, name, str(width), str(height), str(across)]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        found = json.loads(done.stdout)
        line = f"{name} width {width} {across}x{height}: {found['mib']:,.0f} MiB, {found['seconds']:.0f} s"
        sys.stdout.write(line + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
