"""A module a question: what it tests, and its paragraph, table and figure."""
