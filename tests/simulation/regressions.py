"""Seeds that once failed, kept for ever in regressions.txt and run before all others."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from tests.simulation.profiles import PROFILES, Profile, draw
from tests.simulation.run import Report

REGRESSIONS = Path(__file__).with_name("regressions.txt")
DRAWN = "drawn"


@dataclass(frozen=True, slots=True)
class Regression:
    """One line of the file. `profile` names the one that was asked for, or is DRAWN."""

    seed: int
    profile: str
    digest: str
    violation: str

    def world(self) -> Profile:
        """The profile to run it under today."""
        return draw(self.seed) if self.profile == DRAWN else PROFILES[self.profile]

    @property
    def is_same_world(self) -> bool:
        """Whether the profile is still the one under which the seed failed."""
        return self.world().digest == self.digest


def load(path: Path = REGRESSIONS) -> list[Regression]:
    """The regressions in `path`, oldest first; none when there is no such file."""
    if not path.exists():
        return []
    lines = [line for line in path.read_text().splitlines() if line and not line.startswith("#")]
    found = []
    for line in lines:
        seed, profile, digest, violation = line.split(" ", 3)
        found.append(Regression(int(seed), profile, digest, violation))
    return found


def remember(
    reports: Iterable[Report], *, profile: str = DRAWN, path: Path = REGRESSIONS
) -> list[Regression]:
    """Append the failures among `reports` that the file does not have. Returns those."""
    known = {(kept.seed, kept.profile, kept.digest) for kept in load(path)}
    new = [
        Regression(report.seed, profile, report.digest, " ".join(report.violation.split())[:300])
        for report in reports
        if report.violation and (report.seed, profile, report.digest) not in known
    ]
    if new:
        text = path.read_text() if path.exists() else _HEADER
        lines = [f"{kept.seed} {kept.profile} {kept.digest} {kept.violation}" for kept in new]
        path.write_text("\n".join([text.rstrip("\n"), *lines, ""]))
    return new


_HEADER = "# seed, profile asked for, digest of the profile as it was, violation: run first, for ever\n"
