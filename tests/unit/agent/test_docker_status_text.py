"""How long a container has been up, some time after it was listed."""

from __future__ import annotations

import pytest

from agent.docker.status_text import aged


@pytest.mark.parametrize(
    ("listed", "age_s", "now"),
    [
        ("Up Less than a second", 0.4, "Up Less than a second"),
        ("Up Less than a second", 1.2, "Up 1 second"),
        ("Up Less than a second (health: starting)", 45.0, "Up 45 seconds (health: starting)"),
        ("Up 3 seconds (healthy)", 57.0, "Up About a minute (healthy)"),
        ("Up About a minute", 59.0, "Up About a minute"),
        ("Up 59 minutes (Paused)", 60.0, "Up About an hour (Paused)"),
        ("Exited (137) 5 seconds ago", 30.0, "Exited (137) 35 seconds ago"),
        ("Restarting (1) 1 second ago", 1.0, "Restarting (1) 2 seconds ago"),
    ],
)
def test_young_states_grow_older(listed: str, age_s: float, now: str) -> None:
    assert aged(listed, age_s) == now


@pytest.mark.parametrize("listed", ["", "Created", "Up 26 hours", "Up About an hour", "Dead", "Up 2 weeks"])
def test_words_that_a_minute_does_not_change_stay(listed: str) -> None:
    assert aged(listed, 60.0) == listed
