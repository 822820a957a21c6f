"""TeX: its words, and how a document in it is read."""
