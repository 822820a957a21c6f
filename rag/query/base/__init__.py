"""The nouns of the query stage."""
