"""The protocol, byte by byte: requests out, answers and errors read, silence noticed."""
