"""From messages to the words of an answer."""
