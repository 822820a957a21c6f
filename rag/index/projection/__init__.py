"""Chroma, a projection of the catalogue: owned by one process, rebuilt rather than repaired."""
