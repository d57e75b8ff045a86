"""Pools of subscription accounts: their states, their tokens, and the file that keeps both."""
