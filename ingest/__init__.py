"""Documents in, searchable chunks out: the public face of the ingestion stage."""
