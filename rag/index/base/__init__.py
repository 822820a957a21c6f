"""What every part of the index stands on: errors, locks, failpoints."""
