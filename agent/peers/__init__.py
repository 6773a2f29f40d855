"""Requests between hosts over mutual TLS."""
