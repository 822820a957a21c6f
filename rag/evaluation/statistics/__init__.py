"""Figures per case in, means with intervals and differences with their chances out."""
