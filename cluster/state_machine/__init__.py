"""Deterministic, total application of commands to the store."""
