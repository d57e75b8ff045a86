"""Southbound: one module, one provider."""
