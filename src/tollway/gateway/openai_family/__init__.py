"""What the two wires of OpenAI's have in common: names, refusals, links and errors."""
