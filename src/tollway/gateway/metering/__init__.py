"""What a call consumes and costs: counted before (tokens, ceiling), while (tally) and after (cost)."""
