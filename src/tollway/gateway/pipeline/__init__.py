"""One request from its first byte to its receipt; start reading at relay.py."""
