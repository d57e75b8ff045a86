"""What the wires of Google's have in common: spelling, errors, and how a content to be embedded is written."""
