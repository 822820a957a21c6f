"""Commands that ask, and what is shown of their answers."""
