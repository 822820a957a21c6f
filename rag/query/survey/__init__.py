"""Questions about all documents, answered by reading all of them."""
