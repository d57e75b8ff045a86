"""A hub with a million receipts: how fast it starts and answers, and what its request path reads."""
