"""Certificates, tokens and secrets; keys, time and randomness are passed in."""
