"""degradekit: clean photographs in; reproducible (clean, degraded, masks, recipe) out."""

__version__ = "0.1.0"
