"""What an operator states about channels and groups: one schema for the settings file and for the database."""
