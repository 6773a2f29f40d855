"""All checks, in the order in which a person would look."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from cluster.model.node import NodeStatus
from cluster.readiness.behaviour import check_behaviour
from cluster.readiness.deploying import Deploying, Setting
from cluster.readiness.hosts import check_hosts, check_silence
from cluster.readiness.images import check_images, check_rollback
from cluster.readiness.notes import Check, Level, Note, error, warning

DAY_MS = 86_400_000
CERTIFICATE_DAYS_MIN = 7
SKEW_MS_MAX = 1000


def review(services: Sequence[Deploying], setting: Setting) -> tuple[Note, ...]:
    """Return everything that was found, errors first, else in order. What could not be looked at is a
    warning, never a pass."""
    if not services:
        # Nothing is asked of hosts that get nothing.
        return tuple(_check_cluster(setting))
    found: list[Note] = [*_check_cluster(setting), *check_silence(setting)]
    for service in services:
        found += _check_moving(service)
        found += check_images(service, setting)
        found += check_rollback(service, setting)
        found += check_hosts(service, setting)
        found += check_behaviour(service, setting)
    return tuple(sorted(dict.fromkeys(found), key=lambda note: note.level is not Level.ERROR))


def _check_moving(service: Deploying) -> Iterator[Note]:
    if service.moving and service.is_new_spec:
        yield warning(Check.CLUSTER, service.service_id, f"what is under way is superseded: {service.moving}")


def _check_cluster(setting: Setting) -> Iterator[Note]:
    if setting.can_lose < 0:
        yield error(Check.CLUSTER, "", setting.advice)
    elif setting.can_lose == 0 and len(setting.hosts) > 1:
        yield warning(Check.CLUSTER, "", setting.advice)
    for node_id in sorted(setting.hosts):
        host = setting.hosts[node_id]
        if host.status is not NodeStatus.UP:
            yield warning(Check.CLUSTER, "", f"{host.name} is {host.status}")
        not_after_ms = setting.certificates.get(node_id)
        if not_after_ms is not None and not_after_ms - setting.now_ms < CERTIFICATE_DAYS_MIN * DAY_MS:
            days = max(0, (not_after_ms - setting.now_ms) // DAY_MS)
            yield warning(
                Check.CLUSTER,
                "",
                f"the certificate of {host.name} ends in {days} days: it renews itself, and has not yet",
            )
        if host.answer is not None and abs(host.answer.at_ms - setting.now_ms) > SKEW_MS_MAX:
            apart = abs(host.answer.at_ms - setting.now_ms) / 1000
            yield warning(
                Check.CLUSTER,
                "",
                f"the clock of {host.name} is {apart:.1f} s away from this host's",
                "have both set by NTP",
            )
