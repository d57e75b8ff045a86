"""Measures Tollway on this machine, beside nginx and a peer."""
