"""What a real host finds unusual by itself, and still knows after its agent was killed."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cluster.analytics.watch import SeriesWatch
from tests.support.lab import a_lab, remove_abandoned, require_lab
from tests.support.two_weeks import LoadedAgents

pytestmark = [pytest.mark.lab, pytest.mark.verify, pytest.mark.timeout(600)]


@pytest.fixture
def agents(tmp_path: Path) -> Iterator[LoadedAgents]:
    require_lab()
    remove_abandoned()
    lab = a_lab("q")
    try:
        lab.up(1)
        made = LoadedAgents(lab, tmp_path)
        made.form()
        yield made
    finally:
        lab.down()


def test_a_host_watches_the_weeks_it_was_sent_and_carries_on_from_its_file_after_a_crash(
    agents: LoadedAgents,
) -> None:
    (host,) = agents.hosts
    agents.wait_until_sent()

    def incidents() -> list[str]:
        """The keys of the worker's incidents that were found as they happened; nothing else is throttled."""
        answer: dict[str, Any] = agents.client(host).get(
            "/analytics/anomalies", since="7d", metric="throttled_percent"
        )
        return [each["key"] for each in answer["incidents"]] if answer["is_watched"] else []

    # What was sent after the watch began is read when the next row of five minutes is over.
    agents.wait(
        "the throttled worker is found",
        lambda: bool(incidents()),
        timeout_s=420,
        tell=lambda: agents.log_of(host),
    )
    before = incidents()
    assert all("/shop.worker@" in key for key in before)
    file = host.data_directory / "agent" / "anomalies"

    def is_written() -> bool:
        if not file.exists():
            return False
        found = SeriesWatch.from_bytes(file.read_bytes()).findings(0)
        return any(each.service == "shop.worker" for each in found)

    agents.wait("the state is written", is_written, tell=lambda: agents.log_of(host))
    begun = times_begun(agents)

    os.kill(agents.process(host).pid, signal.SIGKILL)
    agents.wait_until_serving(host)
    agents.wait("the watch goes on", lambda: bool(incidents()), tell=lambda: agents.log_of(host))
    assert incidents() == before
    assert times_begun(agents) == begun, "the history was not read anew"


def times_begun(agents: LoadedAgents) -> int:
    """How often the watch began without a state."""
    log: str = agents.log_of(agents.hosts[0], lines=100_000)
    return log.count('"anomalies.begin"')
