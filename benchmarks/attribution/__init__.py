"""How fast the methods are, beside what a user would pick instead: ``make bench``."""
