"""From what is seen of a container to its phase. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from agent.ports import ContainerDetail, Health
from cluster.model.service import ReplicaPhase, ServiceSpec

FAILURES_MAX = 3
SETTLED_S = 2.0
"""How long a container with neither route nor health check must run to count as healthy."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One look at a running container. `probe` is None where there is no route, "" when it passed."""

    health: Health
    is_paused: bool
    running_for_s: float
    probe: str | None


@dataclass(frozen=True, slots=True)
class Verdict:
    phase: ReplicaPhase
    reason: str = ""


class HealthJudge:
    """Judges one container by its samples; begin anew for every start of it."""

    def __init__(self, spec: ServiceSpec, *, was_healthy: bool = False) -> None:
        self._spec = spec
        self._was_healthy = was_healthy
        self._failures = 0

    @property
    def was_healthy(self) -> bool:
        """Whether it has been healthy since it was started."""
        return self._was_healthy

    def judge(self, sample: Sample) -> Verdict:
        """Healthy at the first success; unhealthy after FAILURES_MAX failures, or once was not before."""
        problem, is_failing = self._problem(sample)
        if not problem:
            self._was_healthy = True
            self._failures = 0
            return Verdict(ReplicaPhase.HEALTHY, self._remark(sample))
        self._failures += 1
        if not self._was_healthy and not is_failing:
            return Verdict(ReplicaPhase.STARTING, f"warming up: {problem}")
        if self._failures < FAILURES_MAX and self._was_healthy and not is_failing:
            return Verdict(ReplicaPhase.HEALTHY, self._remark(sample))
        return Verdict(ReplicaPhase.UNHEALTHY, problem)

    def _problem(self, sample: Sample) -> tuple[str, bool]:
        """What keeps it from being healthy, and whether one look suffices to say so."""
        if sample.is_paused:
            return "it is paused: unpause it", True
        if sample.health is Health.UNHEALTHY:
            return "its health check fails", True
        if sample.probe:
            return sample.probe, False
        # A check from the image has the engine's default interval of 30 s, too long to wait for when the
        # probe passes. One in the service's own file was meant.
        is_meant = self._spec.healthcheck is not None or sample.probe is None
        if sample.health is Health.STARTING and is_meant:
            return "its health check has not passed yet", False
        is_unchecked = sample.probe is None and sample.health is Health.NONE
        # By the wall clock, which may be set back: what has settled stays so.
        if is_unchecked and not self._was_healthy and sample.running_for_s < SETTLED_S:
            return f"it runs for less than {SETTLED_S:g} s", False
        return "", False

    def _remark(self, sample: Sample) -> str:
        if sample.probe is None and sample.health is Health.NONE:
            return "it runs; without a route or a health check nothing more is known"
        return ""


def exit_words(detail: ContainerDetail, last_lines: str, *, chars_max: int = 1024) -> str:
    """Say why a container ended: its exit code and the end of what it printed."""
    words = f"ended with exit code {detail.exit_code}"
    if detail.oom_killed:
        words = "ended because it needed more memory than its limit"
    elif detail.error:
        words = f"could not run: {detail.error}"
    words = printable(words)
    if not last_lines:
        return words[:chars_max]
    room = chars_max - len(words) - 2
    tail = printable(last_lines)
    return f"{words}:\n{tail[-room:]}" if room > 0 else words[:chars_max]


def printable(text: str) -> str:
    """Without the control characters that no record may hold."""
    return "".join(
        character
        for character in text
        if character in "\n\t" or (character.isprintable() and not "\ud800" <= character <= "\udfff")
    )
