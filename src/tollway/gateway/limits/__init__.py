"""How much one API key may ask for."""
