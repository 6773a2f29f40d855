"""How many replicas may be started beside the old ones, or be away, at a time."""

from __future__ import annotations

from dataclasses import dataclass

from cluster.model.service import ServiceSpec, VolumeKind
from cluster.rollout.view import ServiceView


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Start-first uses `surge` alone, stop-first `unavailable` alone. `reason`: why it is not as the policy
    says.
    """

    surge: int
    unavailable: int
    reason: str = ""

    @property
    def is_start_first(self) -> bool:
        return self.surge > 0


def limits(view: ServiceView, target: int, *, is_update: bool, is_rolling_back: bool = False) -> Limits:
    """Return the limits for bringing replicas to revision `target`.

    When replicas of another revision are replaced (`is_update`), what two revisions cannot hold at the same
    time makes it stop-first. A fenced service is stop-first always. Going back, start-first, has a surge of
    its own; stop-first has not, for what is down serves nobody.
    """
    policy = view.service.policy
    spec = view.spec(target)
    reason = ""
    if view.is_fenced:
        reason = "each replica is stopped before its successor starts: it never runs twice"
    elif is_update and spec is not None:
        reason = reason_for_stop_first(spec, view.service.replicas)
    if reason:
        return Limits(surge=0, unavailable=max(1, policy.max_unavailable), reason=reason)
    if policy.max_surge > policy.max_unavailable:
        surge = (policy.rollback_surge or view.service.replicas) if is_rolling_back else policy.max_surge
        return Limits(surge=max(1, surge), unavailable=0)
    return Limits(surge=0, unavailable=policy.max_unavailable)


def reason_for_stop_first(spec: ServiceSpec, replicas: int) -> str:
    """Return what keeps two revisions from holding their replicas' things at the same time, "" when nothing
    does."""
    for port in spec.ports:
        if port.host_port:
            return f"each replica is stopped before its successor starts: host port {port.host_port} is fixed"
    if replicas == 1:
        for mount in spec.volumes:
            if mount.kind in (VolumeKind.VOLUME, VolumeKind.BIND) and mount.source and not mount.is_read_only:
                return (
                    "the replica is stopped before its successor starts: it is the only one and writes to"
                    f" {mount.source}"
                )
    return ""
