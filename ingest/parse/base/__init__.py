"""Bytes, limits, failures and blocks: what every parser is written in."""
