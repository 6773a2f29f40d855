"""What differs between two specifications, field by field, and what that costs."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster.model.container import ContainerOptions, LogDriver
from cluster.model.placing import PlacementRules, parse_attribute, parse_constraint
from cluster.model.service import (
    Fencing,
    FileReference,
    HealthCheck,
    PublishedPort,
    Resources,
    RolloutPolicy,
    Route,
    ServiceSpec,
    VolumeKind,
    VolumeMount,
)
from cluster.model.strategy import Canary, Shift, Strategy, TrafficStep
from web.tools.spec_diff import HIDDEN, Effect, FieldChange, Wanted, diff_specs, diff_wanted

FULL = ServiceSpec(
    image="shop:1",
    digest="sha256:" + "a" * 64,
    command=("serve", "--name", "a b"),
    environment=(("MODE", "prod"), ("PASSWORD", "hunter2")),
    ports=(PublishedPort(container_port=80), PublishedPort(container_port=443, host_port=443)),
    volumes=(VolumeMount(kind=VolumeKind.VOLUME, target="/data", source="data"),),
    healthcheck=HealthCheck(test=("CMD", "/health")),
    resources=Resources(cpu_limit_millis=500),
    labels=(("team", "shop"),),
    stop_grace_period_ms=20_000,
    route=Route(host="shop.example", port=80),
    secrets=(FileReference(source="key", target="/run/secrets/key", version=1),),
    configs=(FileReference(source="conf", target="/conf", version=3),),
    fencing=Fencing.STRICT,
    options=ContainerOptions(user="app", extra_hosts=(("db", "10.0.0.1"), ("db", "10.0.0.2"))),
)
EMPTY = ServiceSpec(image="shop:1")


def told(before: ServiceSpec, after: ServiceSpec, **options: Any) -> dict[str, tuple[str | None, str | None]]:
    changes = diff_specs(before, after, **{"shows_values": True, **options})
    assert all(change.effect is Effect.RECREATE for change in changes)
    return {change.field: (change.before, change.after) for change in changes}


@pytest.mark.parametrize("name", [field.name for field in fields(ServiceSpec) if field.name != "image"])
def test_no_field_of_a_specification_is_forgotten(name: str) -> None:
    changed = told(FULL, replace(FULL, **{name: getattr(EMPTY, name)}))
    assert changed
    assert all(field == name or field.startswith(f"{name}.") for field in changed)


def test_a_change_is_told_by_its_place_and_in_its_words() -> None:
    after = replace(
        FULL,
        image="shop:2",
        command=None,
        route=Route(host="shop.example", port=8080),
        healthcheck=HealthCheck(test=("CMD", "/health"), interval_ms=1000),
    )
    assert told(FULL, after) == {
        "command": ("serve --name 'a b'", None),
        "healthcheck.interval_ms": ("30000", "1000"),
        "image": ("shop:1", "shop:2"),
        "route.port": ("80", "8080"),
    }


def test_a_port_that_comes_first_changes_no_other() -> None:
    after = replace(FULL, ports=(PublishedPort(container_port=8080), *FULL.ports))
    assert set(told(FULL, after)) == {
        "ports.8080/tcp.container_port",
        "ports.8080/tcp.protocol",
        "ports.8080/tcp.host_ip",
    }


def test_the_same_port_twice_is_told_apart() -> None:
    twice = replace(FULL, ports=(*FULL.ports, PublishedPort(container_port=80, host_port=8080)))
    assert told(FULL, twice)["ports.80/tcp#2.host_port"] == (None, "8080")


def test_an_empty_value_is_not_a_missing_one() -> None:
    after = replace(FULL, environment=(("MODE", ""), ("PASSWORD", "hunter2")))
    assert told(FULL, after) == {"environment.MODE": ("prod", "")}


def test_values_are_hidden_from_who_may_not_inspect_and_changes_are_not() -> None:
    after = replace(FULL, environment=(("MODE", "prod"), ("NEW", "x"), ("PASSWORD", "hunter3")))
    changed = told(FULL, after, shows_values=False)
    assert changed == {"environment.NEW": (None, HIDDEN), "environment.PASSWORD": (HIDDEN, HIDDEN)}
    assert "hunter" not in repr(changed)


def test_what_a_log_driver_is_given_may_be_secret_too() -> None:
    options = ContainerOptions(log=LogDriver(name="splunk", options=(("splunk-token", "hunter2"),)))
    changed = told(FULL, replace(FULL, options=options), shows_values=False)
    assert changed["options.log.options.splunk-token"] == (None, HIDDEN)
    assert "hunter2" not in repr(changed)


def test_a_name_with_two_addresses_keeps_both() -> None:
    options = ContainerOptions(user="app", extra_hosts=(("db", "10.0.0.1"), ("db", "10.0.0.9")))
    assert told(FULL, replace(FULL, options=options)) == {
        "options.extra_hosts.db#2": ("10.0.0.2", "10.0.0.9")
    }


def test_a_long_value_is_cut() -> None:
    _, after = told(FULL, replace(FULL, environment=(("MODE", "x" * 5000),)))["environment.MODE"]
    assert after is not None
    assert len(after) < 2100


def test_replicas_change_in_place_and_policies_change_nothing_that_runs() -> None:
    before = Wanted(spec=FULL, replicas=2, policy=RolloutPolicy(), placement=PlacementRules())
    shift = Shift(
        strategy=Strategy.CANARY,
        canary=Canary(steps=(TrafficStep(permille=200), TrafficStep(permille=1000))),
    )
    after = Wanted(
        spec=FULL,
        replicas=3,
        policy=RolloutPolicy(max_surge=2, shift=shift),
        placement=PlacementRules(
            constraints=(parse_constraint("node.labels.tier==app"),),
            spread=(parse_attribute("node.labels.zone"),),
        ),
    )
    changes = {change.field: change for change in diff_wanted(before, after, shows_values=True)}
    assert changes["replicas"] == FieldChange(field="replicas", before="2", after="3", effect=Effect.IN_PLACE)
    strategy = changes["policy.shift.strategy"]
    assert (strategy.before, strategy.after, strategy.effect) == ("rolling", "canary", Effect.POLICY_ONLY)
    assert changes["policy.shift.canary.steps.1.permille"].after == "200"
    assert changes["placement.constraints.1"].after == "node.labels.tier == app"
    assert changes["placement.spread.1"].effect is Effect.POLICY_ONLY
    assert diff_wanted(after, after, shows_values=True) == ()


pairs = st.dictionaries(st.sampled_from(["A", "B", "C"]), st.text("xyz", max_size=3)).map(
    lambda found: tuple(sorted(found.items()))
)
specs = st.builds(
    ServiceSpec,
    image=st.sampled_from(["shop:1", "shop:2"]),
    environment=pairs,
    labels=pairs,
    stop_grace_period_ms=st.integers(0, 3),
    # In order: in which one they stand makes no container another one, and is told of none.
    ports=st.lists(
        st.builds(PublishedPort, container_port=st.integers(1, 3), host_port=st.none() | st.integers(0, 2)),
        max_size=3,
    ).map(lambda found: tuple(sorted(found, key=repr))),
)


@given(before=specs, after=specs)
def test_two_specifications_are_equal_exactly_when_nothing_is_told_and_the_way_back_is_the_reverse(
    before: ServiceSpec, after: ServiceSpec
) -> None:
    there = told(before, after)
    assert bool(there) is (before != after)
    assert told(after, before) == {field: (new, old) for field, (old, new) in there.items()}
