"""What every part of the model side speaks: errors, messages, the form of passages."""
