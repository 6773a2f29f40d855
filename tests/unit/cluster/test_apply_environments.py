"""Environments, and the services that are deployed to them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from cluster.commands import Code
from cluster.commands.environments import PutEnvironment, RemoveEnvironment
from cluster.commands.services import PutService
from cluster.model.environments import Environment, image_from
from cluster.model.ids import ServiceId
from cluster.model.placing import HostSet, PlacementRules
from cluster.store.records import ENVIRONMENTS, REVISIONS, SERVICES, find_environment
from cluster.survey import read_nodes, read_routers, read_view, used_in
from tests.support.state_builders import START_MS, Replica, a_service, a_spec


def put(name: str, **fields: object) -> PutEnvironment:
    return PutEnvironment(environment=replace(Environment(name=name), **fields))  # type: ignore[arg-type]


def in_staging(**fields: object) -> PutService:
    return replace(a_service(), service_id=ServiceId("staging.shop.web"), environment="staging", **fields)  # type: ignore[arg-type]


def test_the_usual_three_are_there_without_being_put() -> None:
    replica = Replica()
    found = find_environment(replica.txn, "production")
    assert found == Environment(name="production")
    assert find_environment(replica.txn, "qa") is None


def test_one_that_was_put_says_when() -> None:
    replica = Replica()
    replica.must(put("staging", replicas_max=3))
    found = ENVIRONMENTS.get(replica.txn, "staging")
    assert found is not None
    assert (found.replicas_max, found.changed_at_ms) == (3, START_MS)


def test_what_is_required_is_there() -> None:
    replica = Replica()
    refusal = replica.refusal(put("production", requires="qa"))
    assert refusal.code is Code.NOT_FOUND
    assert refusal.reason == "environment production requires qa, which is not there: put that first"


def test_environments_do_not_require_each_other_in_a_circle() -> None:
    replica = Replica()
    replica.must(put("staging", requires="development"))
    replica.must(put("production", requires="staging"))
    refusal = replica.refusal(put("development", requires="production"))
    assert "development after production after staging after development" in refusal.reason


def test_one_with_services_stays() -> None:
    replica = Replica()
    replica.must(put("staging"))
    replica.must(in_staging())
    refusal = replica.refusal(RemoveEnvironment(name="staging"))
    assert refusal.code is Code.IN_USE
    assert "staging.shop.web" in refusal.reason


def test_one_that_another_requires_stays() -> None:
    replica = Replica()
    replica.must(put("qa"))
    replica.must(put("production", requires="qa"))
    assert "required by production" in replica.refusal(RemoveEnvironment(name="qa")).reason


def test_one_that_nobody_needs_goes() -> None:
    replica = Replica()
    replica.must(put("qa"))
    replica.must(RemoveEnvironment(name="qa"))
    assert find_environment(replica.txn, "qa") is None
    assert replica.refusal(RemoveEnvironment(name="qa")).code is Code.NOT_FOUND


def test_a_service_is_not_put_into_an_environment_that_is_not_there() -> None:
    replica = Replica()
    nowhere = replace(a_service(), service_id=ServiceId("qa.shop.web"), environment="qa")
    assert replica.refusal(nowhere).code is Code.NOT_FOUND


def test_the_same_project_is_in_two_environments_and_in_none() -> None:
    replica = Replica()
    replica.must(a_service())
    replica.must(in_staging(bound=("environment.LEVEL",), promoted_from="shop.web revision 1"))
    services = {each.id: each.scope for each in SERVICES.scan(replica.txn)}
    assert services == {"shop.web": "shop", "staging.shop.web": "staging.shop"}
    revision = REVISIONS.get(replica.txn, "staging.shop.web", 1)
    assert revision is not None
    assert (revision.bound, revision.promoted_from) == (("environment.LEVEL",), "shop.web revision 1")


def test_an_id_names_its_environment() -> None:
    with pytest.raises(ValueError, match=r"in staging it is staging\.shop\.web"):
        replace(a_service(), environment="staging")


def test_an_environments_hosts_are_rules_of_its_services_and_not_kept_with_them() -> None:
    replica = Replica()
    hosts = HostSet(names=("h1",))
    replica.must(put("staging", hosts=hosts))
    replica.must(in_staging())
    view = read_view(
        replica.txn, ServiceId("staging.shop.web"), read_nodes(replica.txn), read_routers(replica.txn)
    )
    stored = SERVICES.get(replica.txn, "staging.shop.web")
    assert view is not None
    assert stored is not None
    assert view.service.placement == PlacementRules(within=hosts)
    assert stored.placement == PlacementRules()


def test_what_is_reserved_is_counted_by_environment() -> None:
    replica = Replica()
    replica.must(replace(a_service(), replicas=5))
    replica.must(in_staging(replicas=2, spec=a_spec()))
    assert used_in(replica.txn, "staging").replicas == 2
    assert used_in(replica.txn, "staging", besides=frozenset({"staging.shop.web"})).replicas == 0


@pytest.mark.parametrize(
    ("replicas", "reason"),
    [
        (0, ""),
        (1, "1 replicas; in staging a service has at least 2"),
        (2, ""),
        (4, ""),
        (5, "5 replicas; in staging a service has at most 4"),
    ],
)
def test_a_service_has_as_many_replicas_as_its_environment_allows(replicas: int, reason: str) -> None:
    assert Environment(name="staging", replicas_min=2, replicas_max=4).refuse_replicas(replicas) == reason


@pytest.mark.parametrize(
    ("image", "rewritten"),
    [
        ("registry.example/shop/web:1", "mirror.example:5000/prod/shop/web:1"),
        ("registry.example:5000/web@sha256:00", "mirror.example:5000/prod/web@sha256:00"),
        ("localhost/web", "mirror.example:5000/prod/web"),
        ("nginx:1.27", "mirror.example:5000/prod/library/nginx:1.27"),
        ("docker.io/nginx", "mirror.example:5000/prod/library/nginx"),
        ("grafana/grafana", "mirror.example:5000/prod/grafana/grafana"),
    ],
)
def test_an_image_comes_from_the_environments_registry(image: str, rewritten: str) -> None:
    assert image_from("mirror.example:5000/prod", image) == rewritten
    assert image_from("", image) == image


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"name": "a.b"}, "name 'a.b': 1 to 31"),
        ({"registry": "https://x"}, "registry 'https://x': the host as images name it"),
        ({"replicas_min": 3, "replicas_max": 2}, "replicas_min 3 is above replicas_max 2"),
        ({"requires": "qa"}, "cannot come before itself"),
        ({"soak_ms": -1}, "soak_ms -1"),
    ],
)
def test_what_an_environment_cannot_be(fields: dict[str, object], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        Environment(**{"name": "qa", **fields})  # type: ignore[arg-type]
