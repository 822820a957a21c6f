"""The index on disk: the catalogue is the truth, Chroma its projection."""
