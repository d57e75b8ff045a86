"""What one channel changes in a call: edits of bodies and headers, compiled when the router is built."""
