"""Care for a catalogue: looked at row by row, copied from a doubtful file, put in place."""
