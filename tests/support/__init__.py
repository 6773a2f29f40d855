"""Builders, fakes and requirements shared by all tests."""
