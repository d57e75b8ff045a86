"""The words: frozen types that every room speaks, with no input or output."""
