"""A run or a comparison in, one page to look at out."""
