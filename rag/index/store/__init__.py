"""The catalogue: documents, chunks and vectors in one SQLite file, the truth."""
