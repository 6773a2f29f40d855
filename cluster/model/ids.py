"""Identifiers, kept apart by type. Their text is made outside: ids are parameters here."""

from __future__ import annotations

from typing import NewType

NodeId = NewType("NodeId", str)
ServiceId = NewType("ServiceId", str)
"""`<project>.<service>` of the Compose file: unique in the cluster, part of container names and metrics."""
RolloutId = NewType("RolloutId", str)
PrincipalId = NewType("PrincipalId", str)
LoginId = NewType("LoginId", str)
JoinTokenId = NewType("JoinTokenId", str)
TokenPrefix = NewType("TokenPrefix", str)
"""The public part of an API token; it finds the record."""
