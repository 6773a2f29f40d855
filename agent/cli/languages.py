"""In which language sentences are asked for."""

from __future__ import annotations

import argparse
import os

LANGUAGES = ("en", "it")


def add_language_flag(parser: argparse.ArgumentParser) -> None:
    """Add --language."""
    parser.add_argument(
        "--language", choices=LANGUAGES, help="of the sentences (default: as LANG says, or English)"
    )


def language_of(args: argparse.Namespace) -> str:
    """Return the language that was given, or else that of this terminal."""
    given = getattr(args, "language", None)
    if given:
        return str(given)
    spoken = os.environ.get("LC_ALL") or os.environ.get("LC_MESSAGES") or os.environ.get("LANG") or ""
    return next((each for each in LANGUAGES if spoken.lower().startswith(each)), "en")
