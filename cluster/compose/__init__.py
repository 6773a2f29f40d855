"""Compose files: read, checked with line and column, and turned into what the log stores. Pure."""

from cluster.compose.findings import Finding, Severity
from cluster.compose.project import ComposeProject, ComposeService, Ignored, InlineConfig, parse

__all__ = ["ComposeProject", "ComposeService", "Finding", "Ignored", "InlineConfig", "Severity", "parse"]
