"""The tests: they mirror src, and read as sentences."""
