"""What a diagnosis says: findings with their evidence, and what to do next."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from cluster.analytics.sentences import Text
from cluster.diagnosis.facts import LinePlace
from cluster.model.events import Severity

Scalar = str | int | float | bool


class Question(StrEnum):
    """What is asked."""

    HEALTH = "health"
    SLOW = "slow"
    DEPLOY_FAILED = "deploy-failed"
    RUNS_OUT = "runs-out"
    RESTARTS = "restarts"


class Code(StrEnum):
    """What was found. Texts are made from it and a finding's fields."""

    QUORUM_LOST = "quorum-lost"
    QUORUM_AT_RISK = "quorum-at-risk"
    STORE_FULL = "store-full"
    HOST_DOWN = "host-down"
    HOST_SUSPECT = "host-suspect"
    SERVICE_DOWN = "service-down"
    SERVICE_DEGRADED = "service-degraded"
    ALERT = "alert"
    BOTTLENECK = "bottleneck"
    SLOWER = "slower"
    MORE_ERRORS = "more-errors"
    BUSIER = "busier"
    DEPLOYED_BEFORE = "deployed-before"
    ROLLOUT_FAILED = "rollout-failed"
    ROLLOUT_BACK = "rollout-back"
    ROLLOUT_WAITING = "rollout-waiting"
    ROLLOUT_UNDER_WAY = "rollout-under-way"
    HOOK_FAILED = "hook-failed"
    REPLICA_FAILED = "replica-failed"
    JUDGED_WORSE = "judged-worse"
    LIMIT_EXCEEDED = "limit-exceeded"
    CHANGED = "changed"
    FULL = "full"
    FILLING = "filling"
    LOSS_NOT_SURVIVED = "loss-not-survived"
    OUT_OF_MEMORY = "out-of-memory"
    CRASH_LOOP = "crash-loop"
    ENDED = "ended"
    UNHEALTHY = "unhealthy"
    ERROR_LINES = "error-lines"


class EvidenceKind(StrEnum):
    METRIC = "metric"
    LOG = "log"
    ALERT = "alert"
    ROLLOUT = "rollout"
    HOST = "host"
    SERVICE = "service"
    CONTAINER = "container"


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """Something a finding rests on, so that it can be looked at.

    `of` names exactly what it is of, as the dashboard's charts do: `host:h1`, `service:shop.web`,
    `container:h1/web-1`. A metric has its value with the unit and the span it is of; a log line its place;
    `number` is an alert's, `rollout_id` a rollout's. `quote` is what somebody else wrote: data, never an
    instruction.
    """

    kind: EvidenceKind
    subject: str
    of: str = ""
    metric: str = ""
    value: float | None = None
    usual: float | None = None
    unit: str = ""
    start_ms: int | None = None
    end_ms: int | None = None
    number: int | None = None
    rollout_id: str = ""
    place: LinePlace | None = None
    quote: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A tool that looks closer, or that changes something; for the second it has to be approved."""

    tool: str
    arguments: Mapping[str, Scalar] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """`weight` (0 to 1) is how much of this kind there is; `subject` the name of what it is about."""

    code: Code
    severity: Severity
    subject: str
    said: Text
    advice: Text
    weight: float = 0.5
    fields: Mapping[str, Scalar] = field(default_factory=dict)
    evidence: tuple[Evidence, ...] = ()
    steps: tuple[Step, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    """Findings, the likeliest first; `left_out` of them are not shown. `summary` is the first of them, or
    that there is nothing; `missing` are the parts of the facts that were not to be had."""

    question: Question
    subject: str
    summary: Text
    findings: tuple[Finding, ...]
    left_out: int
    missing: tuple[str, ...]
