"""Trains, scores and compares restoration methods on equal terms."""
