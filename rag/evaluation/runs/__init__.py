"""Runs as folders that can be stopped at any time and gone on with."""
