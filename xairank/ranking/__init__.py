"""Scores of a sweep -> ranks, wins, intervals, tests. Pandas; no torch."""
