"""How long the paper's whole job takes, beside what a user would write instead: ``make bench-job``."""
