"""Two runs in, what became better or worse and whether that is chance out."""
