"""Stand-ins for the vendors, over real HTTP, written from their published formats and not from our codecs."""
