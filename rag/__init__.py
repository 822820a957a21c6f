"""Grounded, cited answers over a folder of private documents."""

__version__ = "0.1.0"
