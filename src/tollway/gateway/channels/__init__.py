"""Channels kept in the database, their keys sealed, and the groups that users and channels are in."""
