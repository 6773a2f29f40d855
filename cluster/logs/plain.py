"""A line without what a terminal would make of it. Pure."""

from __future__ import annotations

import re

# ECMA-48: CSI sequences, OSC strings (ended by BEL or ST), and two-character escapes.
_SEQUENCE = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\-_])")


def plain_text(text: str) -> str:
    """Return `text` without its escape sequences."""
    return _SEQUENCE.sub("", text) if "\x1b" in text else text
