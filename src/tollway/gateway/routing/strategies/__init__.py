"""The ways to order candidates; one module each, found by `discover()`."""
