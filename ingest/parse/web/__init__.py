"""Formats made of HTML: pages, books, mail."""
