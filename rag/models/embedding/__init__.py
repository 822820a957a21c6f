"""Embedding models: asked at a pace that suits them, measured once, their faults contained."""
