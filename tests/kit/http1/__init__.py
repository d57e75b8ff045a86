"""Both sides of the wire, over real sockets."""
