"""Commands that measure how well questions are answered."""
