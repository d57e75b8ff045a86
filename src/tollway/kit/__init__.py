"""The tools: parts that know nothing of Tollway and could each be a package of their own."""
