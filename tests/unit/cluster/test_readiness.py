"""The checks before a deployment, each on the least that makes it speak."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from cluster.model.ids import NodeId, ServiceId
from cluster.model.metric_limits import MetricLimit
from cluster.model.node import NodeStatus
from cluster.model.readiness import HostReadiness, ImageAnswer, ImageConfig, TakenPort
from cluster.model.service import (
    Fencing,
    HealthCheck,
    PublishedPort,
    Resources,
    RolloutPolicy,
    Route,
    RouteTls,
    ServiceSpec,
    VolumeKind,
    VolumeMount,
)
from cluster.model.strategy import Analysis, Shift, Strategy
from cluster.readiness import (
    Check,
    Deploying,
    Host,
    Level,
    Note,
    Setting,
    forecast,
    question_for,
    reference_of,
    review,
)

NOW_MS = 1_800_000_000_000
H1, H2 = NodeId("n1"), NodeId("n2")
DIGEST = "sha256:" + "a" * 64
IMAGE = "registry.example/shop/web:1"
REFERENCE = f"registry.example/shop/web@{DIGEST}"
ROUTE = Route(host="shop.example", port=8080)
SPEC = ServiceSpec(image=IMAGE, digest=DIGEST, route=ROUTE)
GOOD = ImageAnswer(
    image=REFERENCE,
    is_here=True,
    platforms=("linux/amd64",),
    size_bytes=1 << 20,
    config=ImageConfig(command=("serve",), ports=(8080,)),
)


def a_service(**fields: Any) -> Deploying:
    """One replica of a routed service, new, that goes to n1 and could be on n2."""
    defaults: dict[str, Any] = {
        "service_id": ServiceId("shop.web"),
        "name": "web",
        "scope": "shop",
        "spec": SPEC,
        "replicas": 1,
        "policy": RolloutPolicy(),
        "planned": (H1,),
        "candidates": frozenset({H1, H2}),
    }
    return Deploying(**{**defaults, **fields})


def said(node_id: NodeId, **fields: Any) -> Host:
    """A host where all is well, but for what is given."""
    defaults: dict[str, Any] = {
        "at_ms": NOW_MS,
        "platform": "linux/amd64",
        "free_bytes": 10 << 30,
        "images": (GOOD,),
        "router": "haproxy",
    }
    answer = HostReadiness(node_id=node_id, **{**defaults, **fields})
    return Host(node_id=node_id, name=f"host-{node_id}", status=NodeStatus.UP, answer=answer)


def setting(*hosts: Host, **fields: Any) -> Setting:
    """Two hosts where all is well; `hosts` stand in for theirs."""
    known = {H1: said(H1), H2: said(H2)} | {host.node_id: host for host in hosts}
    return Setting(hosts=known, now_ms=NOW_MS, **fields)


def notes(service: Deploying, around: Setting) -> tuple[Note, ...]:
    return review([service], around)


def the_note(service: Deploying, around: Setting) -> Note:
    (note,) = notes(service, around)
    return note


def test_nothing_is_said_where_all_is_well() -> None:
    assert notes(a_service(), setting()) == ()


# ---- images


def refused_by(node_id: NodeId, **fields: Any) -> Host:
    return said(node_id, images=(ImageAnswer(image=REFERENCE, **fields),))


def test_an_image_the_planned_host_cannot_have_is_an_error() -> None:
    found = notes(a_service(), setting(refused_by(H1, refusal="no such tag")))
    assert [(each.check, each.level) for each in found] == [(Check.IMAGE, Level.ERROR)]
    assert found[0].rule == f"host-n1 cannot have {IMAGE}: no such tag"


def test_an_image_another_host_cannot_have_is_a_warning() -> None:
    note = the_note(a_service(), setting(refused_by(H2, refusal="no such tag")))
    assert (note.check, note.level) == (Check.IMAGE, Level.WARNING)
    assert "no replica could move to host-n2" in note.rule


def test_a_registry_nobody_could_ask_is_a_warning_and_no_pass() -> None:
    found = notes(a_service(), setting(refused_by(H1, unknown="timeout"), refused_by(H2, unknown="timeout")))
    assert "whether host-n1, host-n2 can have the image is not known: timeout" in found[0].rule
    assert all(each.level is Level.WARNING for each in found)
    assert {each.check for each in found} == {Check.IMAGE, Check.IMAGE_SETTINGS}


@pytest.mark.parametrize(
    ("spec", "before", "rule"),
    [
        (replace(SPEC, digest=""), None, "has no digest"),
        (replace(SPEC, image="registry.example/shop/web"), None, "another image with each push"),
        (replace(SPEC, image="registry.example/shop/web:latest"), None, "another image with each push"),
        (SPEC, replace(SPEC, digest="sha256:" + "b" * 64), "the tag was moved"),
    ],
)
def test_what_a_tag_means_is_told(spec: ServiceSpec, before: ServiceSpec | None, rule: str) -> None:
    images = [replace(GOOD, image=reference_of(each)) for each in (spec, before) if each is not None]
    hosts = [said(node_id, images=tuple(images)) for node_id in (H1, H2)]
    found = [
        each
        for each in notes(a_service(spec=spec, before=before), setting(*hosts))
        if each.check is Check.PIN
    ]
    assert len(found) == 1
    assert rule in found[0].rule


@pytest.mark.parametrize(
    ("platforms", "platform", "is_wrong"),
    [
        (("linux/arm64",), "linux/amd64", True),
        (("linux/arm64", "linux/amd64"), "linux/amd64", False),
        (("linux/arm64/v8",), "linux/arm64", False),
        ((), "linux/amd64", False),
    ],
)
def test_an_image_is_for_its_host_s_platform(
    platforms: tuple[str, ...], platform: str, is_wrong: bool
) -> None:
    image = replace(GOOD, platforms=platforms)
    hosts = [said(node_id, platform=platform, images=(image,)) for node_id in (H1, H2)]
    found = notes(a_service(), setting(*hosts))
    assert [(each.check, each.level) for each in found] == (
        [(Check.PLATFORM, Level.ERROR), (Check.PLATFORM, Level.WARNING)] if is_wrong else []
    )


def test_an_image_needs_room_twice_while_it_is_unpacked() -> None:
    coming = said(H1, images=(ImageAnswer(image=REFERENCE),), free_bytes=1 << 20)
    note = the_note(a_service(), setting(coming))
    assert (note.check, note.level) == (Check.PLATFORM, Level.ERROR)
    assert "has 1 MiB for images, and the image takes 1 MiB" in note.rule


def test_room_that_is_not_known_is_a_warning() -> None:
    coming = said(H1, images=(ImageAnswer(image=REFERENCE),), free_bytes=None)
    assert (
        "how much room host-n1 has for the image is not known" in the_note(a_service(), setting(coming)).rule
    )


def test_what_an_image_starts_is_unknown_before_its_first_pull() -> None:
    coming = [said(node_id, images=(ImageAnswer(image=REFERENCE),)) for node_id in (H1, H2)]
    note = the_note(a_service(), setting(*coming))
    assert (note.check, note.level) == (Check.IMAGE_SETTINGS, Level.WARNING)


def with_config(**fields: Any) -> list[Host]:
    config = ImageConfig(**{"command": ("serve",), "ports": (8080,), **fields})
    return [said(node_id, images=(replace(GOOD, config=config),)) for node_id in (H1, H2)]


@pytest.mark.parametrize(
    ("fields", "check", "rule"),
    [
        ({"command": ()}, Check.IMAGE_SETTINGS, "names nothing to start"),
        ({"stop_signal": "SIGKILL"}, Check.IMAGE_SETTINGS, "stopped with SIGKILL"),
        ({"ports": (3000,)}, Check.IMAGE_SETTINGS, "requests go to port 8080, and the image exposes 3000"),
        ({"entrypoint": ("/bin/sh", "-c", "serve")}, Check.DRAIN, "a shell is its process 1"),
    ],
)
def test_what_an_image_says_of_itself(fields: dict[str, Any], check: Check, rule: str) -> None:
    note = the_note(a_service(), setting(*with_config(**fields)))
    assert note.check is check
    assert rule in note.rule


@pytest.mark.parametrize("command", [("/bin/sh", "-c", "exec serve"), ("serve", "-c", "x")])
def test_a_shell_that_makes_way_for_the_program_is_fine(command: tuple[str, ...]) -> None:
    assert notes(a_service(), setting(*with_config(command=command))) == ()


def test_without_route_and_health_check_nothing_says_when_it_works() -> None:
    quiet = a_service(spec=replace(SPEC, route=None))
    assert the_note(quiet, setting()).check is Check.HEALTH
    of_its_own = replace(SPEC, route=None, healthcheck=HealthCheck(test=("CMD", "ok"), interval_ms=1000))
    assert notes(a_service(spec=of_its_own), setting()) == ()
    assert notes(quiet, setting(*with_config(has_healthcheck=True))) == ()


# ---- hosts


def test_a_replica_without_a_host_is_an_error_of_its_kind() -> None:
    for reason, check in (
        ("no host can take it: h1 has 1 MiB not reserved", Check.CAPACITY),
        ("no host can take it: h1 does not have its volume, which is on h3 (down)", Check.VOLUMES),
        ("no host can take it: h1 has port 80/tcp in use by shop.api", Check.HOST_PORTS),
    ):
        note = the_note(a_service(planned=(None,), reasons=(reason,)), setting())
        assert (note.check, note.level) == (check, Level.ERROR)
        assert reason in note.rule


PORT = PublishedPort(container_port=80, host_port=8080)


def test_a_port_that_is_taken_where_it_goes_is_an_error() -> None:
    service = a_service(spec=replace(SPEC, ports=(PORT,)))
    note = the_note(service, setting(said(H1, taken=(TakenPort(port=PORT, by="nginx"),))))
    assert (note.check, note.level) == (Check.HOST_PORTS, Level.ERROR)
    assert note.rule == "port 8080/tcp of host-n1 is in use by nginx"


def test_a_port_that_is_taken_elsewhere_is_a_warning() -> None:
    service = a_service(spec=replace(SPEC, ports=(PORT,)))
    note = the_note(service, setting(said(H2, taken=(TakenPort(port=PORT),))))
    assert note.level is Level.WARNING
    assert "in use by a program that is no container" in note.rule


def test_a_port_of_the_service_s_own_replica_is_free() -> None:
    service = a_service(spec=replace(SPEC, ports=(PORT,)))
    own = TakenPort(port=PORT, by="tower-shop.web-1-0", service_id="shop.web")
    assert notes(service, setting(said(H1, taken=(own,)))) == ()


def test_a_path_that_is_not_there_is_an_error_where_it_goes() -> None:
    bind = VolumeMount(kind=VolumeKind.BIND, source="/srv/data", target="/data")
    service = a_service(spec=replace(SPEC, volumes=(bind,)))
    found = notes(
        service, setting(said(H1, missing_paths=("/srv/data",)), said(H2, missing_paths=("/srv/data",)))
    )
    assert [(each.check, each.level) for each in found] == [
        (Check.VOLUMES, Level.ERROR),
        (Check.VOLUMES, Level.WARNING),
    ]


@pytest.mark.parametrize(("fencing", "level"), [(Fencing.NONE, Level.WARNING), (Fencing.STRICT, Level.ERROR)])
def test_a_volume_that_is_elsewhere_is_told_of(fencing: Fencing, level: Level) -> None:
    data = VolumeMount(kind=VolumeKind.VOLUME, source="pg", target="/data")
    service = a_service(spec=replace(SPEC, volumes=(data,)), fencing=fencing)
    note = the_note(service, setting(said(H2, volumes=("shop_pg",))))
    assert (note.check, note.level) == (Check.VOLUMES, level)
    assert "there is a volume shop_pg on host-n2, and the replica goes to host-n1" in note.rule
    assert "x-tower.pin_host: host-n2" in note.hint


def test_a_router_that_does_not_reach_other_hosts_is_told_of() -> None:
    service = a_service(before=SPEC, addresses={H2: ("192.0.2.2:8080",)})
    note = the_note(service, setting(said(H1, unreachable=("192.0.2.2:8080",))))
    assert (note.check, note.level) == (Check.NETWORK, Level.WARNING)
    assert "host-n1 does not reach its replicas on host-n2" in note.rule


def test_one_router_that_does_not_serve_is_a_warning_and_all_are_an_error() -> None:
    one = notes(a_service(), setting(said(H1, router_problem="haproxy is not installed")))
    both = notes(
        a_service(),
        setting(said(H1, router_problem="haproxy is not installed"), said(H2, router="")),
    )
    assert [each.level for each in one] == [Level.WARNING]
    assert [each.level for each in both] == [Level.ERROR, Level.ERROR]
    assert "haproxy is not installed" in both[0].rule


def test_a_service_without_a_route_needs_no_router() -> None:
    service = a_service(spec=replace(SPEC, route=None))
    found = notes(service, setting(*with_config(has_healthcheck=True), said(H1, router="", images=(GOOD,))))
    assert Check.ROUTER not in {each.check for each in found}


def test_a_host_that_says_nothing_is_a_warning_and_no_pass() -> None:
    silent = Host(node_id=H1, name="host-n1", status=NodeStatus.UP, silence="it took too long")
    note = the_note(a_service(), setting(silent))
    assert (note.check, note.level) == (Check.CLUSTER, Level.WARNING)
    assert "could not be asked, so nothing is checked there: it took too long" in note.rule


def test_what_a_host_could_not_find_out_is_passed_on() -> None:
    note = the_note(a_service(), setting(said(H1, unknown=("which ports other programs listen on",))))
    assert note.rule == "of host-n1 it is not known which ports other programs listen on"


# ---- the service and the cluster


def test_a_route_of_another_service_is_an_error() -> None:
    around = setting(routes=[("shop.example", "/", ServiceId("old.web"))])
    note = the_note(a_service(), around)
    assert (note.check, note.level) == (Check.ROUTE, Level.ERROR)
    own = setting(
        routes=[("shop.example", "/", ServiceId("shop.web")), ("shop.example", "/api", ServiceId("x.y"))]
    )
    assert notes(a_service(), own) == ()


@pytest.mark.parametrize(
    ("names", "is_covered"),
    [(("shop.example",), True), (("*.example",), True), (("*.shop.example",), False), ((), False)],
)
def test_https_needs_a_certificate(names: tuple[str, ...], is_covered: bool) -> None:
    service = a_service(spec=replace(SPEC, route=replace(ROUTE, tls=RouteTls.ON)))
    found = notes(service, setting(certified=names))
    assert [each.check for each in found] == ([] if is_covered else [Check.ROUTE])


def test_requests_that_take_longer_than_the_drain_are_told_of() -> None:
    assert "one in a hundred requests takes 45.0 s" in the_note(a_service(p99_ms=45_000.0), setting()).rule
    assert notes(a_service(p99_ms=2_000.0), setting()) == ()


CANARY = RolloutPolicy(shift=Shift(strategy=Strategy.CANARY))
OLD = replace(SPEC, image="registry.example/shop/web:0", digest="sha256:" + "0" * 64)


def an_update(**fields: Any) -> Deploying:
    return a_service(**{"before": OLD, "ready": 1, "policy": CANARY, "requests_per_s": 100.0, **fields})


def with_old(**fields: Any) -> list[Host]:
    old = replace(GOOD, image=reference_of(OLD), **fields)
    return [said(node_id, images=(GOOD, old)) for node_id in (H1, H2)]


def test_a_canary_with_enough_requests_is_fine() -> None:
    assert notes(an_update(), setting(*with_old())) == ()


@pytest.mark.parametrize(
    ("fields", "rule"),
    [
        ({"requests_per_s": None}, "how many requests there are is not known yet"),
        ({"requests_per_s": 0.5}, "are left out"),
        ({"ready": 0}, "nothing to compare with"),
    ],
)
def test_a_canary_that_could_not_be_judged_is_told_of(fields: dict[str, Any], rule: str) -> None:
    note = the_note(an_update(**fields), setting(*with_old()))
    assert note.check is Check.CANARY
    assert rule in note.rule


def test_a_bound_that_the_present_revision_breaks_is_told_of() -> None:
    shift = Shift(strategy=Strategy.CANARY, analysis=Analysis(error_rate_max=0.01))
    policy = RolloutPolicy(shift=shift)
    note = the_note(an_update(policy=policy, failure_rate=0.02), setting(*with_old()))
    assert note.check is Check.CANARY
    assert "2.00% of the requests to the present revision fail" in note.rule
    assert notes(an_update(policy=policy, failure_rate=0.005), setting(*with_old())) == ()


def test_a_limit_on_memory_that_no_container_could_reach_is_told_of() -> None:
    def limited(bytes_max: float) -> Deploying:
        limit = MetricLimit(metric="memory_bytes", max_value=bytes_max)
        shift = Shift(strategy=Strategy.CANARY, analysis=Analysis(metrics=(limit,)))
        spec = replace(SPEC, resources=Resources(memory_limit_bytes=64 * 1024**2))
        return an_update(policy=RolloutPolicy(shift=shift), spec=spec)

    note = the_note(limited(512 * 1024**2), setting(*with_old()))
    assert note.check is Check.CANARY
    assert "no container can use 512 MiB" in note.rule
    assert "killed at 64 MiB" in note.rule
    assert notes(limited(48 * 1024**2), setting(*with_old())) == ()


def test_a_way_back_that_is_gone_is_told_of() -> None:
    found = notes(an_update(lost_files=("version 1 of secret key",)), setting(*with_old(refusal="gone")))
    assert [each.check for each in found] == [Check.ROLLBACK, Check.ROLLBACK]
    assert "no host has or can get registry.example/shop/web:0" in found[0].rule


def test_a_quorum_that_is_lost_is_an_error_and_one_without_margin_a_warning() -> None:
    assert the_note(a_service(), setting(can_lose=-1, advice="the quorum is lost")).level is Level.ERROR
    assert the_note(a_service(), setting(can_lose=0, advice="losing one stops")).level is Level.WARNING


def test_hosts_that_are_not_up_and_clocks_and_certificates_are_told_of() -> None:
    down = Host(node_id=H2, name="host-n2", status=NodeStatus.DOWN)
    assert the_note(a_service(), setting(down)).rule == "host-n2 is down"
    assert "2.5 s away" in the_note(a_service(), setting(said(H2, at_ms=NOW_MS + 2500))).rule
    soon = {H1: NOW_MS + 3 * 86_400_000}
    assert "ends in 3 days" in the_note(a_service(), setting(certificates=soon)).rule


def test_errors_come_first() -> None:
    around = setting(said(H1, images=(ImageAnswer(image=REFERENCE, refusal="no"),)), can_lose=0, advice="x")
    assert [each.level for each in notes(a_service(), around)] == [Level.ERROR, Level.WARNING]


# ---- what is asked, and the plan


def test_hosts_are_asked_about_what_may_come_to_them() -> None:
    bind = VolumeMount(kind=VolumeKind.BIND, source="/srv", target="/srv")
    data = VolumeMount(kind=VolumeKind.VOLUME, source="d", target="/d")
    service = a_service(
        spec=replace(SPEC, ports=(PORT,), volumes=(bind, data)),
        before=OLD,
        candidates=frozenset({H1}),
        addresses={H1: ("192.0.2.1:80",), H2: ("192.0.2.2:80",)},
    )
    near, far = question_for(H1, [service]), question_for(H2, [service])
    assert near.images == tuple(sorted((REFERENCE, reference_of(OLD))))
    assert (near.ports, near.paths, near.volumes) == ((PORT,), ("/srv",), ("shop_d",))
    assert near.addresses == ("192.0.2.2:80",)
    assert (far.images, far.ports, far.paths, far.volumes) == ((), (), (), ("shop_d",))


@pytest.mark.parametrize(
    ("image", "digest", "reference"),
    [
        ("nginx:1.27", DIGEST, f"nginx@{DIGEST}"),
        ("registry:5000/a/b:1", DIGEST, f"registry:5000/a/b@{DIGEST}"),
        ("registry:5000/a/b", DIGEST, f"registry:5000/a/b@{DIGEST}"),
        (f"a/b:1@{DIGEST}", DIGEST, f"a/b@{DIGEST}"),
        ("nginx:1.27", "", "nginx:1.27"),
    ],
)
def test_an_image_is_asked_for_as_it_is_pulled(image: str, digest: str, reference: str) -> None:
    assert reference_of(ServiceSpec(image=image, digest=digest)) == reference


RESERVED = Resources(cpu_reservation_millis=500, memory_reservation_bytes=1 << 20)


def test_a_rolling_update_takes_one_replica_more_at_a_time() -> None:
    service = a_service(spec=replace(SPEC, resources=RESERVED), before=OLD, replicas=3, planned=(H1, H1, H2))
    plan = forecast(service)
    assert (plan.order, plan.batches) == ("start-first", 3)
    assert plan.estimate_ms == 3 * (2_000 + 10_000 + 1_000)
    assert [(load.node_id, load.containers, load.cpu_millis) for load in plan.loads] == [
        (H1, 1, 500),
        (H2, 1, 500),
    ]


def test_a_canary_says_its_steps_and_which_are_left_out() -> None:
    plan = forecast(an_update(requests_per_s=0.5, replicas=2, planned=(H1, H1)))
    assert plan.order == "beside"
    assert plan.steps[-1] == 1000
    assert 50 not in plan.steps
    assert "left out" in plan.merged
    assert plan.loads[0].containers == 2


@pytest.mark.parametrize(
    ("fields", "order", "drop"),
    [
        ({"spec": replace(SPEC, route=None, ports=(PORT,))}, "stop-first", "connections to its host ports"),
        ({"fencing": Fencing.STRICT}, "stop-first", "nothing of it answers between"),
        ({"spec": replace(SPEC, route=None)}, "start-first", "connections of other services"),
        ({}, "start-first", "websockets that are open longer than 30 s"),
    ],
)
def test_what_is_not_without_loss_is_said(fields: dict[str, Any], order: str, drop: str) -> None:
    plan = forecast(a_service(before=OLD, **fields))
    assert plan.order == order
    assert any(drop in each for each in plan.drops)


def test_a_first_deployment_loses_nothing() -> None:
    plan = forecast(a_service(replicas=2, planned=(H1, H2)))
    assert (plan.order, plan.reason, plan.drops) == ("start-first", "nothing of it runs yet", ())


def test_what_makes_no_container_takes_no_time() -> None:
    plan = forecast(a_service(planned=(), before=SPEC))
    assert (plan.order, plan.estimate_ms, plan.loads) == ("none", 0, ())
