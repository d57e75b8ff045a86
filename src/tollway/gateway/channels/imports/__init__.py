"""Reads other relays' configurations as channels; what has no counterpart is listed, never dropped in silence."""
