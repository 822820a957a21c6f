"""Model servers: what they offer, which model to use and why, embeddings and chat."""
