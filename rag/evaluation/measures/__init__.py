"""A case and what was found and answered in, figures with the names of the literature out."""
