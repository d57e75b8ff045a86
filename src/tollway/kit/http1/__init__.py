"""HTTP/1.1 by hand, both sides of the wire."""
