"""Words of others, for the log: what a registry or an engine said may hold anything."""

from __future__ import annotations

CHARACTERS_MAX = 1024


def kept(text: str) -> str:
    """Return the text as records take it: cut to length, with `?` for what cannot be printed."""
    return "".join(each if each.isprintable() else "?" for each in text[:CHARACTERS_MAX])
