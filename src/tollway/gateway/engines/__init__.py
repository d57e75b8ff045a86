"""Local engines: what they serve, how busy they are, and when a call had better go elsewhere."""
