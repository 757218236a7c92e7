"""One run from start to end: train, explain, score, write the run folder."""
