"""Our tidy: the numbers and habits of the house, as tests."""
