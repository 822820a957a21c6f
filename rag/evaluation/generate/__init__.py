"""Labelled questions made from a person's own documents."""
