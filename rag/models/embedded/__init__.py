"""The model server inside this process: embeddings and quoted answers over its wire protocol."""
