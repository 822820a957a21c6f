"""What is found out of a model by asking it: limits, batches, prefixes."""
