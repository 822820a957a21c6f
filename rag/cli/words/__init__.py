"""The words of the command line, group by group."""
