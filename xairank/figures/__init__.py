"""Figures of a sweep: ``python -m xairank.figures name=...``. They read finished runs and recompute no result."""
