"""What words, scripts and numbers are, for searching and for comparing."""
