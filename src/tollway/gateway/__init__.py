"""The data plane and its books: one gateway to every model, one exact account for every credit."""
