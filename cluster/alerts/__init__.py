"""Pure: decide from what is seen which alerts begin, fire and are over, and who is told."""

from cluster.alerts.ahead import observe_forecast, observe_incident
from cluster.alerts.builtin import BUILT_IN, is_built_in, rules_in_force
from cluster.alerts.containers import HostContainers, observe_containers, observe_replicas
from cluster.alerts.expiry import observe_certificates
from cluster.alerts.hosts import observe_hosts, observe_quorum
from cluster.alerts.machine import (
    FLAP_SPAN_MS,
    Finding,
    Memory,
    Moved,
    Observation,
    advance,
    attend,
    close,
    saying,
)
from cluster.alerts.muting import ROLLOUT_SETTLE_MS, Circumstances, muted_by
from cluster.alerts.overriding import overrides
from cluster.alerts.rehearsal import Firing, Rehearsal, rehearse
from cluster.alerts.round import Book, Look, Round, Sight, Step, take_round
from cluster.alerts.series import SETTLE_MS, Steps, merged, observe
from cluster.alerts.subjects import of_place, of_series
from cluster.alerts.usual import same_hours, usual
from cluster.alerts.wording import Said, who

__all__ = [
    "BUILT_IN",
    "FLAP_SPAN_MS",
    "ROLLOUT_SETTLE_MS",
    "SETTLE_MS",
    "Book",
    "Circumstances",
    "Finding",
    "Firing",
    "HostContainers",
    "Look",
    "Memory",
    "Moved",
    "Observation",
    "Rehearsal",
    "Round",
    "Said",
    "Sight",
    "Step",
    "Steps",
    "advance",
    "attend",
    "close",
    "is_built_in",
    "merged",
    "muted_by",
    "observe",
    "observe_certificates",
    "observe_containers",
    "observe_forecast",
    "observe_hosts",
    "observe_incident",
    "observe_quorum",
    "observe_replicas",
    "of_place",
    "of_series",
    "overrides",
    "rehearse",
    "rules_in_force",
    "same_hours",
    "saying",
    "take_round",
    "usual",
    "who",
]
