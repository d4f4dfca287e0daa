"""The triplet-domain translation model for old photographs."""
