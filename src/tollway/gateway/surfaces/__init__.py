"""Northbound: one module, one surface."""
