"""Deterministic: one log entry in, the changes it makes out, equal on every node."""

from cluster.state_machine.apply import apply

__all__ = ["apply"]
