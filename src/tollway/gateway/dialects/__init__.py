"""The wire formats, each a folder of four mirrors."""
