"""Real Docker hosts for tests: the session's lab, as the fixture `lab`, and what tests need around it.

Import the fixture into the test module (or the directory's conftest.py) that uses it. However many modules
do, a test process has one lab, made when the first test asks for it, removed when the session ends:

    from tests.support.lab import Lab, lab

    def test_a_container_answers(lab: Lab) -> None:
        lab.host("h1").engine.pull("demo/web:1")

Its name is made of the process number, so it lives beside a user's demo and beside other test sessions. What
a session that was killed leaves behind is removed by the next. `TOWER_TEST_LAB_PREFIX=twdev` uses that lab,
starts what does not run of it, and keeps it afterwards: for working on tests, not for CI.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.requirements import require_root, unmet

# The lab is no installed package (DESIGN.md beside it says why).
for _source in ("demo", "lab"):
    _path = str(Path(__file__).resolve().parents[2] / "packaging" / _source)
    if _path not in sys.path:
        sys.path.insert(0, _path)

# ruff: noqa: E402 - found by the path set above
from lab_agents import LabAgents, NotInTime, url_of
from tower_lab import faults, plan, requirements, state
from tower_lab.errors import LabError, RequirementsMissing
from tower_lab.host import Host
from tower_lab.images import Builder, HealthCheck, Image, Layer
from tower_lab.lab import Lab, remove_abandoned
from tower_lab.processes import Identity, identify, wait_until
from tower_lab.progress import Progress
from tower_lab.spawned import HostProcess
from tower_lab.state import Cut, Direction

__all__ = [
    "Builder",
    "Cut",
    "Direction",
    "HealthCheck",
    "Host",
    "HostProcess",
    "Identity",
    "Image",
    "Lab",
    "LabAgents",
    "LabError",
    "Layer",
    "NotInTime",
    "RequirementsMissing",
    "a_lab",
    "agents_on_a_lab",
    "faults",
    "fresh_lab",
    "identify",
    "lab",
    "plan",
    "remove_abandoned",
    "require_lab",
    "requirements",
    "state",
    "url_of",
    "wait_until",
]

HOSTS = 3
_ALPHABET = "0123456789abcdefghijklmnopqrstuvwxyz"


def require_lab() -> None:
    """Skip (in CI: fail) where no lab can be made, and say what is missing."""
    require_root()
    try:
        requirements.check(Lab("twcheck").builder)
    except RequirementsMissing as missing:
        unmet(str(missing))


def a_lab(letter: str = "s") -> Lab:
    """A lab of this test process that is not up yet; the caller calls `up` and, whatever happens, `down`.

    `letter` tells the labs of one process apart.
    """
    # Process numbers fit in five digits of base 36 (kernel.pid_max is at most 2**22).
    number, digits = os.getpid(), ""
    while number:
        number, digit = divmod(number, len(_ALPHABET))
        digits = _ALPHABET[digit] + digits
    return Lab(f"t{letter}{digits}", owner=identify(os.getpid()), progress=Progress(sys.stderr))


@contextmanager
def agents_on_a_lab(letter: str, directory: Path, *, hosts: int = HOSTS) -> Iterator[LabAgents]:
    """A lab of the caller's own, with an agent on each host and one cluster of them, while the block runs.

    `letter` tells the labs of one process apart; what the agents write is kept in `directory`.
    """
    require_lab()
    remove_abandoned()
    made = a_lab(letter)
    try:
        made.up(hosts)
        agents = LabAgents(made, directory)
        agents.form()
        yield agents
    finally:
        made.down()


class _Session:
    """The lab of this test process. A session fixture that two modules import would be two to pytest."""

    def __init__(self) -> None:
        self._lab: Lab | None = None

    def lab(self, session: pytest.Session) -> Lab:
        """The lab, made now if this is the first test that asks; `session` removes it when it ends."""
        if self._lab is None:
            require_lab()
            remove_abandoned(progress=Progress(sys.stderr))
            kept = os.environ.get("TOWER_TEST_LAB_PREFIX")
            made = Lab(kept, progress=Progress(sys.stderr)) if kept else a_lab()
            if not kept:
                session.addfinalizer(self._remove)
            self._lab = made
            made.up(HOSTS)
        return self._lab

    def _remove(self) -> None:
        if self._lab is not None:
            self._lab.down()
            self._lab = None


_SESSION = _Session()


@pytest.fixture
def lab(request: pytest.FixtureRequest) -> Lab:
    """Three Docker hosts that run, are healed of all faults and have no containers and no agent's data."""
    made = _SESSION.lab(request.session)
    mend(made)
    return made


@pytest.fixture
def fresh_lab() -> Iterator[Lab]:
    """A lab of the test's own that is not up yet; removed afterwards, however the test left it."""
    require_lab()
    remove_abandoned(progress=Progress(sys.stderr))
    made = a_lab("f")
    try:
        yield made
    finally:
        made.down()


def mend(lab: Lab) -> None:
    """Undo what earlier tests did to the lab: faults, stopped daemons, containers, programs, agents' data.

    Images stay on the hosts.
    """
    state = {status.name: status for status in lab.status().hosts}
    for host in lab.hosts:
        if state[host.name].cuts:
            lab.heal(host.name)
        for delay in state[host.name].delays:
            lab.unlink(host.name, delay.peer)
        host.services.disable()
        host.end_programs()
        host.clear_agent_directories()
        if not host.is_healthy():
            lab.start(host.name)
        for container in host.engine.get("/containers/json?all=true"):
            host.engine.remove(container["Id"])
        host.engine.request("POST", "/networks/prune")
        host.engine.request("POST", "/volumes/prune")
