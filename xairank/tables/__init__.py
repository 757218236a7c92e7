"""Tables of a sweep: ``python -m xairank.tables name=...``. They read finished runs and recompute no result."""
