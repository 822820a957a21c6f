"""From passages found to the messages a model is sent."""
