"""Deterministic: one log entry in, the changes it makes out, equal on every node."""

from cluster.state_machine.apply import apply, apply_encoded

__all__ = ["apply", "apply_encoded"]
