"""Rules on hosts: how they are written, and what they exclude and prefer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from cluster.model.ids import NodeId, ServiceId
from cluster.model.node import Node, NodeFacts
from cluster.model.placing import (
    Constraint,
    HostAttribute,
    HostFact,
    PlacementRules,
    parse_attribute,
    parse_constraint,
)
from cluster.model.service import Resources
from cluster.placement import Amounts, Landscape, Placed, Quota, Unplaceable, amounts
from cluster.placement.attributes import meets
from tests.support.placement_builders import a_request, a_spec, host, hosts, landscape, on

MIB = 1024 * 1024


def only(*constraints: str, **fields: object) -> PlacementRules:
    parsed = tuple(parse_constraint(text) for text in constraints)
    return PlacementRules(constraints=parsed, **fields)  # type: ignore[arg-type]


def labelled(name: str, **labels: str) -> Node:
    return host(name, labels=tuple(sorted(labels.items())))


ZONED = hosts(labelled("h1", zone="a"), labelled("h2", zone="a"), labelled("h3", zone="b"))


# ---- as people write them


@pytest.mark.parametrize(
    ("text", "attribute", "value", "is_equal"),
    [
        ("node.labels.zone==a", HostAttribute(fact=HostFact.LABEL, label="zone"), "a", True),
        (
            " node.labels.com.acme/tier != db 1 ",
            HostAttribute(fact=HostFact.LABEL, label="com.acme/tier"),
            "db 1",
            False,
        ),
        ("node.hostname==db1", HostAttribute(fact=HostFact.HOSTNAME), "db1", True),
        ("node.role == manager", HostAttribute(fact=HostFact.ROLE), "voter", True),
        ("node.role!=worker", HostAttribute(fact=HostFact.ROLE), "learner", False),
        ("node.platform.arch==aarch64", HostAttribute(fact=HostFact.ARCH), "aarch64", True),
        ("node.labels.expr==a==b", HostAttribute(fact=HostFact.LABEL, label="expr"), "a==b", True),
    ],
)
def test_a_constraint_is_written_as_for_swarm(
    text: str, attribute: HostAttribute, value: str, is_equal: bool
) -> None:
    assert parse_constraint(text) == Constraint(attribute=attribute, value=value, is_equal=is_equal)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("node.labels.zone", "write ATTRIBUTE==VALUE or ATTRIBUTE!=VALUE"),
        ("node.labels.zone=a", "write ATTRIBUTE==VALUE or ATTRIBUTE!=VALUE"),
        ("node.labels.zone==", "write ATTRIBUTE==VALUE or ATTRIBUTE!=VALUE"),
        ("node.labels.==a", "label '': 1 to 128 of A-Z a-z 0-9"),
        ("node.labels==a", "node.labels is not known: use node.labels.KEY, node.id"),
        ("node.ip==10.0.0.1", "node.ip is not known: use node.labels.KEY, node.id"),
        ("engine.labels.os==linux", "label the host and use node.labels.os"),
        ("node.role==boss", "a role is voter or learner"),
        ("node.labels.a==\x00", "character U+0000"),
    ],
)
def test_what_is_no_constraint_is_said_in_words_with_the_text(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=r"^constraint ") as error:
        parse_constraint(text)
    assert why in str(error.value)
    assert repr(text) in str(error.value)


def test_a_constraint_reads_as_it_was_written() -> None:
    assert str(parse_constraint("node.labels.zone!=a")) == "node.labels.zone != a"
    assert str(parse_attribute("node.platform.arch")) == "node.platform.arch"


@pytest.mark.parametrize(
    ("build", "why"),
    [
        (lambda: PlacementRules(replicas_per_host_max=-1), "placement.max_replicas_per_node -1"),
        (lambda: PlacementRules(headroom_percent=95), "placement.headroom_percent 95: 0 to 90"),
        (lambda: PlacementRules(apart_from=("b", "a")), "must be sorted and different"),
        (lambda: PlacementRules(apart_from=("No Name",)), "placement.apart_from 'No Name'"),
        (lambda: PlacementRules(pin_host="no host"), "placement.pin_host 'no host'"),
        (lambda: HostAttribute(fact=HostFact.ROLE, label="x"), "node.role has no label 'x'"),
    ],
)
def test_a_rule_of_wrong_form_is_refused_by_its_name(build: Callable[[], object], why: str) -> None:
    with pytest.raises(ValueError) as error:  # noqa: PT011 (what it says is compared below)
        build()
    assert why in str(error.value)


# ---- what they exclude


@pytest.mark.parametrize(
    ("text", "is_met"),
    [
        ("node.id==H1", True),
        ("node.hostname==host-h1", True),
        ("node.hostname==box-7", True),
        ("node.hostname!=box-7", False),
        ("node.role==voter", True),
        ("node.platform.os==Linux", True),
        ("node.platform.arch==amd64", True),
        ("node.platform.arch==x86_64", True),
        ("node.platform.arch!=arm64", True),
        ("node.labels.zone==A", True),
        ("node.labels.Zone==a", False),
        ("node.labels.disk==ssd", True),
        ("node.labels.gpu!=yes", True),
        ("node.labels.gpu==yes", False),
    ],
)
def test_a_host_meets_a_constraint_by_any_name_it_goes_by(text: str, is_met: bool) -> None:
    facts = NodeFacts(hostname="box-7", arch="x86_64", labels=(("disk", "ssd"), ("zone", "b")))
    node = host("h1", facts=facts, labels=(("zone", "a"),))
    assert meets(node, parse_constraint(text)) is is_met


def test_a_host_that_does_not_meet_a_constraint_gets_nothing_and_is_told_why() -> None:
    nodes = hosts(labelled("h1", zone="a"), host("h2"))
    rules = only("node.labels.zone==b", "node.role==voter")
    assert landscape(nodes).choose(a_request(rules=rules)) == Unplaceable(
        "no host can take it: host-h1 does not meet node.labels.zone == b (it is a);"
        " host-h2 does not meet node.labels.zone == b (it has no such label)"
    )


def test_the_host_a_service_is_pinned_to_is_named_by_name_or_id() -> None:
    for pin in ("host-h2", "h2"):
        rules = PlacementRules(pin_host=pin)
        assert landscape(ZONED, on("h2")).choose(a_request(rules=rules)) == Placed(NodeId("h2"))
    lost = landscape(hosts(host("h1"))).choose(a_request(rules=PlacementRules(pin_host="db1")))
    assert lost == Unplaceable("no host can take it: host-h1 is not db1, the host it is pinned to")


def test_a_host_has_no_more_replicas_of_a_service_than_its_rules_allow() -> None:
    rules = PlacementRules(replicas_per_host_max=2)
    siblings = tuple(NodeId(name) for name in ("h1", "h1", "h2", "h2", "h3"))
    assert landscape(ZONED).choose(a_request(rules=rules, siblings=siblings)) == Placed(NodeId("h3"))
    full = landscape(ZONED).choose(a_request(rules=rules, siblings=(*siblings, NodeId("h3"))))
    assert isinstance(full, Unplaceable)
    assert "host-h1 has 2 of its replicas, of 2 allowed on one host" in full.reason


def test_services_that_are_to_be_apart_are_so_whichever_of_them_says_it() -> None:
    rules = PlacementRules(apart_from=("cache",))
    known = landscape(hosts(host("h1")), on("h1", service="shop.cache"))
    assert known.choose(a_request(rules=rules)) == Unplaceable(
        "no host can take it: host-h1 has shop.cache, which it is to be apart from"
    )
    told = {ServiceId("shop.cache"): ("shop", PlacementRules(apart_from=("shop.web",)))}
    cache = on("h1", service="shop.cache")
    other = Landscape(hosts(host("h1")), {cache.service_id: (cache,)}, rules=told)
    assert other.choose(a_request()) == Unplaceable(
        "no host can take it: host-h1 has shop.cache, which is to be apart from it"
    )


def test_a_service_apart_from_itself_is_once_on_a_host() -> None:
    rules = PlacementRules(apart_from=("web",))
    choice = landscape(hosts(host("h1"))).choose(a_request(rules=rules, siblings=(NodeId("h1"),)))
    assert choice == Unplaceable(
        "no host can take it: host-h1 has 1 of its replicas, of 1 allowed on one host"
    )


def test_services_that_reach_each_other_directly_share_their_rules() -> None:
    disk = only("node.labels.zone==b")
    cache, worker = ServiceId("shop.cache"), ServiceId("shop.worker")
    together = Landscape(
        ZONED,
        {},
        {"shop": frozenset({cache, worker})},
        rules={cache: ("shop", disk), worker: ("shop", PlacementRules())},
    )
    request = a_request(a_spec(route=None), "shop.worker")
    assert together.choose(request) == Placed(NodeId("h3"))
    assert sorted(together.unfit(worker, "shop", PlacementRules())) == ["h1", "h2"]


def test_the_first_of_a_project_goes_where_all_of_it_has_room() -> None:
    cache, worker = ServiceId("shop.cache"), ServiceId("shop.worker")
    nodes = hosts(
        host("h1", facts=NodeFacts(memory_bytes=1000 * MIB)),
        host("h2", facts=NodeFacts(memory_bytes=4000 * MIB)),
    )
    half = a_spec(route=None, resources=Resources(memory_reservation_bytes=600 * MIB))
    other = on("h2")
    together = Landscape(
        nodes,
        {other.service_id: (other,)},
        {"shop": frozenset({cache, worker})},
        sizes={cache: amounts([(half, 1)]), worker: amounts([(half, 2)])},
    )
    assert together.choose(a_request(half, "shop.cache")) == Placed(NodeId("h2"))
    alone = Landscape(nodes, {other.service_id: (other,)})
    assert alone.choose(a_request(half, "shop.cache")) == Placed(NodeId("h1"))


def test_where_a_whole_project_fits_nowhere_its_first_is_placed_all_the_same() -> None:
    cache, worker = ServiceId("shop.cache"), ServiceId("shop.worker")
    nodes = hosts(host("h1", facts=NodeFacts(cpu_count=1)))
    half = a_spec(route=None, resources=Resources(cpu_reservation_millis=600))
    together = Landscape(
        nodes,
        {},
        {"shop": frozenset({cache, worker})},
        sizes={cache: amounts([(half, 1)]), worker: amounts([(half, 1)])},
    )
    assert together.choose(a_request(half, "shop.cache")) == Placed(NodeId("h1"))


def test_a_project_leaves_a_host_that_the_rules_of_one_of_its_services_exclude() -> None:
    cache, worker = ServiceId("shop.cache"), ServiceId("shop.worker")
    here = on("h1", a_spec(route=None), "shop.cache")
    rules = {cache: ("shop", only("node.labels.zone==b"))}
    groups = {"shop": frozenset({cache, worker})}
    assert Landscape(ZONED, {cache: (here,)}, groups, rules=rules).home(worker, "shop") is None
    assert Landscape(ZONED, {cache: (here,)}, groups).home(worker, "shop") == NodeId("h1")


# ---- what they prefer


def test_replicas_are_spread_over_the_values_of_a_label_before_hosts() -> None:
    rules = PlacementRules(spread=(parse_attribute("node.labels.zone"),))
    request = a_request(rules=rules, siblings=(NodeId("h1"), NodeId("h3"), NodeId("h3")))
    assert landscape(ZONED).choose(request) == Placed(NodeId("h2"))
    even = a_request(rules=rules, siblings=(NodeId("h1"),))
    assert landscape(ZONED).choose(even) == Placed(NodeId("h3"))


def test_the_first_preference_counts_before_the_second() -> None:
    nodes = hosts(
        labelled("h1", zone="a", rack="1"),
        labelled("h2", zone="a", rack="2"),
        labelled("h3", zone="b", rack="1"),
    )
    rules = PlacementRules(spread=(parse_attribute("node.labels.zone"), parse_attribute("node.labels.rack")))
    request = a_request(rules=rules, siblings=(NodeId("h1"), NodeId("h3")))
    assert landscape(nodes).choose(request) == Placed(NodeId("h2"))


# ---- room and quotas


def test_the_margin_that_is_left_free_is_the_services_own_to_choose() -> None:
    nodes = hosts(host("h1", facts=NodeFacts(memory_bytes=1000 * MIB)))
    spec = a_spec(resources=Resources(memory_reservation_bytes=950 * MIB))
    assert isinstance(landscape(nodes).choose(a_request(spec)), Unplaceable)
    whole = a_request(spec, rules=PlacementRules(headroom_percent=0))
    assert landscape(nodes).choose(whole) == Placed(NodeId("h1"))


def test_a_replica_that_only_one_host_can_have_needs_no_margin_there() -> None:
    nodes = hosts(host("h1", facts=NodeFacts(memory_bytes=1000 * MIB)))
    spec = a_spec(resources=Resources(memory_reservation_bytes=950 * MIB))
    assert landscape(nodes).choose(a_request(spec, pinned_to=NodeId("h1"))) == Placed(NodeId("h1"))


def test_a_quota_bounds_what_an_environment_reserves_together() -> None:
    spec = a_spec(resources=Resources(cpu_reservation_millis=500, memory_reservation_bytes=100 * MIB))
    quota = Quota(environment="staging", cpu_millis=2000, memory_bytes=350 * MIB, replicas=3)
    others = amounts([(spec, 1)])
    request = a_request(spec, quota=quota, quota_used=others)
    assert landscape(ZONED).choose(request) == Placed(NodeId("h1"))
    full = replace(request, siblings=(NodeId("h1"), NodeId("h2"), NodeId("h3")))
    assert landscape(ZONED).choose(full) == Unplaceable(
        "the quota of staging: 5 replicas, of 3 allowed; 2.5 CPU reserved, of 2 allowed;"
        " 500 MiB reserved, of 350 MiB allowed"
    )


def test_what_a_quota_does_not_bound_is_not_compared() -> None:
    quota = Quota(environment="staging", replicas=1)
    assert quota.refuse(Amounts(cpu_millis=10**9, memory_bytes=10**15, replicas=1)) is None
