"""Frozen copies of a network that are explained faster, and never with another result."""
