"""Ports made real: `x://…` in the settings loads `backends/x`, and only that."""
