"""Whether what was found can hold the answer, and how that is calibrated."""
