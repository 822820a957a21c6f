"""Answers judged by a local model, whose own mistakes are counted."""
