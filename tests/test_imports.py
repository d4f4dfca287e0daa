"""What may be imported when."""

from __future__ import annotations

import subprocess
import sys

import degradekit


def test_the_synthesiser_never_needs_torch() -> None:
    code = (
        "import sys\n"
        "import degradekit.cli, degradekit.synth, degradekit.proof, degradekit.contactsheet\n"
        "import degradekit.datacard, degradekit.comparison, degradekit.estimate\n"
        "heavy = {'torch', 'pandas', 'matplotlib', 'scipy', 'skimage', 'albumentations'}\n"
        "heavy |= {'pyarrow', 'distributed'}\n"
        "sys.exit(', '.join(heavy & set(sys.modules)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_one_version() -> None:
    from importlib.metadata import version

    assert version("degradekit") == degradekit.__version__
