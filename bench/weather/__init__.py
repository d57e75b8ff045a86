"""Providers in good and bad moods, a gateway in front of them, and callers who note what they got."""
