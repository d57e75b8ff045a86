"""Tollway: one gateway to every model, one exact account for every credit."""

__version__ = "0.1.0"
