"""Measurements that take time, apart from the tests."""
