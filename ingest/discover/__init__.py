"""Which files a folder holds, which of them are read, and what has become of them since."""
