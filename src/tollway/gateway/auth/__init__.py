"""Who is asking: credentials, API keys and the peers that guess at them."""
