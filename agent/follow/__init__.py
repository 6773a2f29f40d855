"""Duties of every host: perform the assignments addressed to it and report outcomes."""
