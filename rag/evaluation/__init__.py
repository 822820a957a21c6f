"""Labelled questions in, how well they are answered out, and whether it got better."""
