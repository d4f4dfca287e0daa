"""``python -m degradekit``."""

from degradekit.cli import main

main()
