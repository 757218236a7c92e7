"""A sweep as one web page that opens from disk."""
