"""PDF files: the text of their pages, and how well it could be read."""
