"""Compose files: read, checked with line and column, and turned into what the log stores. Pure."""

from cluster.compose.files import InlineConfig
from cluster.compose.findings import Finding, Severity
from cluster.compose.loading import ComposeFile, Needs, WantedFile, find_needs
from cluster.compose.project import ComposeProject, ComposeService, parse
from cluster.compose.reader import Ignored

__all__ = [
    "ComposeFile",
    "ComposeProject",
    "ComposeService",
    "Finding",
    "Ignored",
    "InlineConfig",
    "Needs",
    "Severity",
    "WantedFile",
    "find_needs",
    "parse",
]
