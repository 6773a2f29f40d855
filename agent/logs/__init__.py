"""Structured logs of the agent: one JSON object a line on standard output."""

from agent.logs.setup import bound_fields, configure_logging

__all__ = ["bound_fields", "configure_logging"]
