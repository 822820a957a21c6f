"""The health of an index: what it knows well, what it knows badly, what it cannot see."""
