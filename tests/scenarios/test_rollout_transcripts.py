"""Each transcript reads as it is played. `REWRITE=1` writes what is played; read the difference."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.scenarios.transcript import play

TRANSCRIPTS = sorted(Path(__file__).parent.glob("*.txt"))


@pytest.mark.parametrize("path", TRANSCRIPTS, ids=lambda path: path.stem)
def test_the_transcript_reads_as_it_is_played(path: Path) -> None:
    text = path.read_text()
    played = play(text)
    if os.environ.get("REWRITE") == "1":
        path.write_text(played)
    assert played == text or os.environ.get("REWRITE") == "1"


def test_there_are_transcripts() -> None:
    assert TRANSCRIPTS
