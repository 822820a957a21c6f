"""Answers and conversations that are kept."""
