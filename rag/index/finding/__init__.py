"""What finding chunks by vectors and by words has in common, and finding them by words."""
