"""Office formats: documents, slides and sheets."""
