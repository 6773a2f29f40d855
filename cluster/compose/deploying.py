"""`deploy`: how many replicas, on which hosts, and how a new revision takes the place of the old one."""

from __future__ import annotations

from functools import partial

from cluster.compose import vocabulary
from cluster.compose.document import Value
from cluster.compose.reader import Keys, Parts, Reader
from cluster.compose.values import parse_rate
from cluster.model.placing import (
    Constraint,
    HostAttribute,
    PlacementRules,
    parse_attribute,
    parse_constraint,
)
from cluster.model.service import REPLICAS_MAX, FailureAction, RolloutPolicy

_ORDERS = {"start-first": True, "stop-first": False}


def read_replicas(reader: Reader, keys: Keys, deploy: Keys | None) -> int:
    """The number of replicas, of `deploy.replicas` or the older `scale`."""
    scale = keys.value("scale")
    value = None if deploy is None else deploy.value("replicas")
    if scale is not None and value is not None:
        reader.refuse(scale, "deploy.replicas has it too", "leave one of them out")
    at = value or scale
    if at is None:
        return 1
    replicas = reader.count(at)
    if not 0 <= replicas <= REPLICAS_MAX:
        reader.refuse(at, f"{replicas} replicas: 0 to {REPLICAS_MAX} are allowed")
    return replicas


def read_update(reader: Reader, deploy: Keys, policy: Parts[RolloutPolicy]) -> None:
    """Put `update_config` and `rollback_config` into the policy."""
    at = deploy.value("update_config")
    if at is not None and (update := reader.keys(at, vocabulary.UPDATE_CONFIG)) is not None:
        parallelism = update.get("parallelism", reader.count, 1) or REPLICAS_MAX
        is_start_first = update.get(
            "order", partial(reader.choice, choices=_ORDERS, default=True), default=True
        )
        where = update.first("parallelism", "order")
        if where is not None and not 1 <= parallelism <= REPLICAS_MAX:
            reader.refuse(
                where, f"parallelism {parallelism}: 0 to {REPLICAS_MAX} are allowed, 0 is all at once"
            )
        elif where is not None and is_start_first:
            policy.set("max_surge", parallelism, where)
        elif where is not None:
            policy.set_all({"max_surge": 0, "max_unavailable": parallelism}, where)
        policy.read("delay_ms", update.value("delay"), reader.duration_ms)
        policy.read("monitor_ms", update.value("monitor"), reader.duration_ms)
        policy.read("failures_max_permille", update.value("max_failure_ratio"), partial(_permille, reader))
        actions = {action.value: action for action in FailureAction}
        policy.read(
            "failure_action",
            update.value("failure_action"),
            partial(reader.choice, choices=actions, default=FailureAction.ROLLBACK),
        )
    at = deploy.value("rollback_config")
    if at is not None and (back := reader.keys(at, vocabulary.ROLLBACK_CONFIG)) is not None:
        policy.read("rollback_surge", back.value("parallelism"), reader.count)


def read_placement(reader: Reader, deploy: Keys, placement: Parts[PlacementRules]) -> None:
    """Put `placement` into the rules."""
    at = deploy.value("placement")
    if at is None or (keys := reader.keys(at, vocabulary.PLACEMENT)) is None:
        return
    placement.read(
        "constraints", keys.value("constraints"), partial(reader.each, read=partial(_constraint, reader))
    )
    placement.read("spread", keys.value("preferences"), partial(reader.each, read=partial(_spread, reader)))
    placement.read("replicas_per_host_max", keys.value("max_replicas_per_node"), reader.count)


def _permille(reader: Reader, value: Value) -> int:
    return round(reader.measured(value, parse_rate, 0.0) * 1000)


def _constraint(reader: Reader, value: Value) -> Constraint | None:
    text = reader.text(value)
    return reader.built(value, lambda: parse_constraint(text)) if text else None


def _spread(reader: Reader, value: Value) -> HostAttribute | None:
    keys = reader.keys(value, vocabulary.PREFERENCE)
    at = None if keys is None else keys.value("spread")
    if at is None:
        if keys is not None:
            reader.refuse(value, "spread is missing", "such as spread: node.labels.zone")
        return None
    text = reader.text(at)
    return reader.built(at, lambda: parse_attribute(text)) if text else None
