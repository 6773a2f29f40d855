"""What differs between two specifications of a service, field by field, and what a difference costs. Pure."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from enum import StrEnum

from cluster.model.autoscaling import AutoscalePolicy
from cluster.model.placing import Constraint, HostAttribute, PlacementRules
from cluster.model.service import FileReference, PublishedPort, RolloutPolicy, ServiceSpec, VolumeMount

HIDDEN = "(hidden)"
"""What stands for a value that may be a secret where its reader may not inspect it."""
_CHARACTERS_MAX = 2000
# Drivers that send logs somewhere are given their tokens as options.
_MAY_BE_SECRET = ("environment.", "options.log.")


class Effect(StrEnum):
    """What a change does to what runs. IN_PLACE: replicas come or go. RECREATE: every replica is replaced.

    POLICY_ONLY: nothing, until the next rollout or the next choice of a host.
    """

    IN_PLACE = "in-place"
    RECREATE = "recreate"
    POLICY_ONLY = "policy-only"


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldChange:
    """One field, such as `environment.MODE` or `ports.80/tcp.host_port`; None: not set."""

    field: str
    before: str | None
    after: str | None
    effect: Effect


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Everything a deployment says of one service."""

    spec: ServiceSpec
    replicas: int
    policy: RolloutPolicy
    placement: PlacementRules
    autoscale: AutoscalePolicy | None = None


def diff_specs(before: ServiceSpec, after: ServiceSpec, *, shows_values: bool) -> tuple[FieldChange, ...]:
    """Return the fields that differ, by name.

    A revision is what its containers are made from, so every difference means new ones. Without
    `shows_values` those that may be secret are `HIDDEN`: that one changed is still told.
    """
    changes = tuple(_differences(_named(before), _named(after), Effect.RECREATE))
    return changes if shows_values else hide_values(changes)


def hide_values(changes: Iterable[FieldChange]) -> tuple[FieldChange, ...]:
    """Return the differences with `HIDDEN` in place of what may be secret."""
    return tuple(_hidden(change) if change.field.startswith(_MAY_BE_SECRET) else change for change in changes)


def diff_wanted(before: Wanted, after: Wanted, *, shows_values: bool) -> tuple[FieldChange, ...]:
    """Return what a deployment changes: the specification's fields, then replicas, policy, placement and
    scaling."""
    return (
        *diff_specs(before.spec, after.spec, shows_values=shows_values),
        *_differences({"replicas": str(before.replicas)}, {"replicas": str(after.replicas)}, Effect.IN_PLACE),
        *_differences(_named(before.policy), _named(after.policy), Effect.POLICY_ONLY, "policy."),
        *_differences(_named(before.placement), _named(after.placement), Effect.POLICY_ONLY, "placement."),
        *_differences(_named(before.autoscale), _named(after.autoscale), Effect.POLICY_ONLY, "scaling."),
    )


def _differences(
    before: Mapping[str, str], after: Mapping[str, str], effect: Effect, prefix: str = ""
) -> list[FieldChange]:
    return [
        FieldChange(
            field=prefix + name, before=_cut(before.get(name)), after=_cut(after.get(name)), effect=effect
        )
        for name in sorted(before.keys() | after.keys())
        if before.get(name) != after.get(name)
    ]


def _hidden(change: FieldChange) -> FieldChange:
    return FieldChange(
        field=change.field,
        before=None if change.before is None else HIDDEN,
        after=None if change.after is None else HIDDEN,
        effect=change.effect,
    )


def _cut(text: str | None) -> str | None:
    return text if text is None or len(text) <= _CHARACTERS_MAX else f"{text[:_CHARACTERS_MAX]}…"


def _named(value: object) -> dict[str, str]:
    """Return the parts of a value that are set, each by its place within it."""
    return dict(_parts(value, ""))


def _parts(value: object, place: str) -> Iterator[tuple[str, str]]:
    match value:
        case None:
            return
        case bool():
            yield place, "true" if value else "false"
        case float():
            yield place, f"{value:g}"
        case str() | int():
            yield place, str(value)
        case tuple():
            yield from _parts_of_list(value, place)
        case Constraint() | HostAttribute():
            yield place, str(value)
        case _ if is_dataclass(value):
            for each in fields(value):
                yield from _parts(getattr(value, each.name), f"{place}.{each.name}" if place else each.name)
        case _:
            raise AssertionError(f"{place}: a field of type {type(value).__name__}")


def _parts_of_list(items: Sequence[object], place: str) -> Iterator[tuple[str, str]]:
    if not items:
        return
    if all(isinstance(item, str) for item in items):
        yield place, shlex.join(str(item) for item in items)
        return
    told: Counter[str] = Counter()
    for number, item in enumerate(items, start=1):
        # By what makes it that one and not by its place, so that a port put first changes no other.
        name, inner = item if isinstance(item, tuple) else (_name_of(item) or str(number), item)
        told[name] += 1
        again = f"#{told[name]}" if told[name] > 1 else ""
        yield from _parts(inner, f"{place}.{name}{again}")


def _name_of(item: object) -> str:
    match item:
        case PublishedPort():
            return f"{item.container_port}/{item.protocol}"
        case VolumeMount() | FileReference():
            return item.target
        case _:
            return ""
