"""The command line: the only place of the program that prints."""
