"""Nouns, ports and errors every other module of the program is written in."""
