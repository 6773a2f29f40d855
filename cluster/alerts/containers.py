"""Observations of containers: those of services by what the log wants of them, all others by their state."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass

from cluster.alerts.machine import Finding, Observation
from cluster.alerts.subjects import of_container, of_replica
from cluster.alerts.wording import Said, say, who
from cluster.model.alerts import AlertRule, AlertSubject, RuleKind
from cluster.model.ids import NodeId
from cluster.model.inventory import ContainerSummary
from cluster.model.service import Assignment, DesiredState, ReplicaPhase, Service

_EXITED = re.compile(r"Exited \((\d{1,5})\) (.*) ago")
_STOPPED_CODES = frozenset({0, 130, 137, 143})
"""What a program ends with that was told to, or had nothing left to do: SIGINT, SIGKILL, SIGTERM."""
_LONG_AGO = re.compile(r"\b(hours?|days?|weeks?|months?|years?)\b")
_LOGS = Said(
    "Read the end of its log: `tower logs` and its name.",
    "Leggi la fine del suo log: `tower logs` e il suo nome.",
)
_ENDED_WELL = "exit code 0"
"""As hosts word it."""
_IS_DONE = Said("it has ended well", "è terminato bene")
_RUNS_AGAIN = Said("it runs again", "gira di nuovo")
_WAS_STOPPED = Said("it was stopped", "è stato fermato")
_NOT_UNHEALTHY = Said("it is not unhealthy any more", "non è più malato")
_HEALTHY_AGAIN = Said("it runs and is healthy again", "gira ed è di nuovo sano")


@dataclass(frozen=True, slots=True, kw_only=True)
class HostContainers:
    """What one host says it has; None: it does not say."""

    node_id: str
    node_name: str
    containers: tuple[ContainerSummary, ...] | None


def observe_containers(
    rule: AlertRule, hosts: Iterable[HostContainers], now_ms: int
) -> Iterator[tuple[AlertSubject, Observation]]:
    """Yield how the containers nobody manages here are, of every host that answers."""
    for host in hosts:
        for container in host.containers or ():
            if container.is_managed:
                continue
            subject = of_container(container, node_id=host.node_id, node_name=host.node_name)
            see = _unhealthy if rule.kind is RuleKind.CONTAINER_UNHEALTHY else _down
            yield subject, see(container, subject, now_ms)


def _down(container: ContainerSummary, subject: AlertSubject, now_ms: int) -> Observation:
    state = container.state
    if state in ("running", "paused"):
        return Observation(at_ms=now_ms, finding=Finding.CLEAR, text=_RUNS_AGAIN)
    if state == "restarting":
        # How often is for another rule; whether it comes up is not known yet.
        return Observation(at_ms=now_ms, finding=Finding.BETWEEN)
    ended = _EXITED.match(container.status)
    code = int(ended.group(1)) if ended else 0
    if state == "exited" and code in _STOPPED_CODES:
        return Observation(at_ms=now_ms, finding=Finding.CLEAR, text=_WAS_STOPPED)
    if ended and _LONG_AGO.search(ended.group(2)):
        # It was so before anybody looked, or they know by now.
        return Observation(at_ms=now_ms, finding=Finding.BETWEEN)
    if state == "dead" or ended:
        what = (
            say("ended with status {code}", "è terminato con stato {code}", code=str(code))
            if ended
            else Said("is dead", "è morto")
        )
        return Observation(
            at_ms=now_ms,
            finding=Finding.BREACHED,
            text=say(
                "{who} {what} and is not running.",
                "{who} {what} e non gira.",
                who=who(subject),
                what=what,
            ),
            hint=_LOGS,
        )
    return Observation(at_ms=now_ms, finding=Finding.CLEAR)


def _unhealthy(container: ContainerSummary, subject: AlertSubject, now_ms: int) -> Observation:
    if container.state == "running" and container.health == "unhealthy":
        return Observation(
            at_ms=now_ms,
            finding=Finding.BREACHED,
            text=say(
                "{who} runs, and its health check fails.",
                "{who} gira, e il suo controllo di salute fallisce.",
                who=who(subject),
            ),
            hint=_LOGS,
        )
    finding = Finding.BETWEEN if container.health == "starting" else Finding.CLEAR
    return Observation(at_ms=now_ms, finding=finding, text=_NOT_UNHEALTHY)


def observe_replicas(
    rule: AlertRule,
    services: Mapping[str, Service],
    assignments: Iterable[Assignment],
    *,
    node_names: Mapping[NodeId, str],
    reachable: Collection[NodeId],
    may_end: Collection[tuple[str, int]] = (),
    now_ms: int,
) -> Iterator[tuple[AlertSubject, Observation]]:
    """Yield how each replica that is wanted is: well as soon as one copy of it is, whatever the others do.

    Of copies on hosts that are not up nothing is known: their hosts are what is wrong. `may_end` are the
    revisions (service id, number) whose containers are not started again once they have ended well.
    """
    copies: dict[tuple[str, int], list[Assignment]] = defaultdict(list)
    for copy in assignments:
        if copy.desired in (DesiredState.STARTED, DesiredState.SERVING):
            copies[(copy.service_id, copy.ordinal)].append(copy)
    for (service_id, ordinal), found in sorted(copies.items()):
        service = services.get(service_id)
        if service is None or service.is_removed or ordinal >= service.replicas:
            continue
        known = [copy for copy in found if copy.node_id in reachable]
        # The one whose words are told: of the newest revision.
        copy = max(known or found, key=lambda each: (each.revision, each.token))
        subject = of_replica(
            service, ordinal, node_id=copy.node_id, node_name=node_names.get(copy.node_id, copy.node_id)
        )
        is_done = (service_id, copy.revision) in may_end and _ENDED_WELL in _first_line(copy)
        yield subject, _replica(rule, subject, copy, known, now_ms, is_done=is_done)


def _first_line(copy: Assignment) -> str:
    """Why it is so. What follows are the last lines the container printed: they are sent to nobody."""
    return copy.observed.reason.partition("\n")[0].rstrip(".: ")


def _replica(
    rule: AlertRule,
    subject: AlertSubject,
    copy: Assignment,
    known: Collection[Assignment],
    now_ms: int,
    *,
    is_done: bool,
) -> Observation:
    if not known:
        return Observation(at_ms=now_ms, finding=Finding.UNKNOWN)
    phases = {each.observed.phase for each in known}
    if ReplicaPhase.HEALTHY in phases:
        return Observation(at_ms=now_ms, finding=Finding.CLEAR, text=_HEALTHY_AGAIN)
    if is_done:
        return Observation(at_ms=now_ms, finding=Finding.CLEAR, text=_IS_DONE)
    reason = _first_line(copy)
    because = f": {reason}" if reason else ""
    if rule.kind is RuleKind.CONTAINER_UNHEALTHY:
        if copy.observed.phase is not ReplicaPhase.UNHEALTHY:
            # Starting is not well yet, and another rule looks at what ended.
            return Observation(at_ms=now_ms, finding=Finding.BETWEEN)
        text = say(
            "{who} runs, and is unhealthy{because}.",
            "{who} gira, ed è malato{because}.",
            who=who(subject),
            because=because,
        )
        return Observation(at_ms=now_ms, finding=Finding.BREACHED, text=text, hint=_LOGS)
    if copy.observed.phase in (ReplicaPhase.EXITED, ReplicaPhase.FAILED):
        text = say(
            "{who} is not running{because}.", "{who} non gira{because}.", who=who(subject), because=because
        )
        return Observation(at_ms=now_ms, finding=Finding.BREACHED, text=text, hint=_LOGS)
    return Observation(at_ms=now_ms, finding=Finding.BETWEEN)
