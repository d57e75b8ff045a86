"""The books: what every user has, what every call holds, owes and paid."""
