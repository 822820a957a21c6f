"""Files in, documents out: one room per family of formats, each imported only when needed."""
