"""Price cards: proposed, compared, activated for a time, and kept for ever."""
