"""What of a batch is recorded, of what, and as which whole numbers."""

from __future__ import annotations

from dataclasses import replace

from agent.collect.recording import rows_of, subjects_of
from agent.collect.samples import (
    AgentReading,
    AgentSample,
    ContainerSample,
    ContainerStanding,
    DiskSample,
    HostSample,
    RouteSample,
    SampleBatch,
)
from agent.ports import (
    ContainerState,
    ContainerUsage,
    DiskUsage,
    Health,
    HostReading,
    SensorReading,
)
from cluster.model.ids import NodeId
from cluster.model.metrics import BY_NAME, BY_NUMBER, SUBJECTS_MAX, SubjectKind

NODE = NodeId("n1")
ID = "c" * 64


def a_reading(**figures: float) -> HostReading:
    unknown = dict.fromkeys(
        (
            *("cpu_busy_ticks", "cpu_total_ticks", "memory_total_bytes", "memory_available_bytes"),
            *("swap_total_bytes", "swap_free_bytes", "load_1", "load_5", "load_15", "rx_bytes", "tx_bytes"),
            "uptime_s",
        )
    )
    return HostReading(**{**unknown, "cpu_count": 2, **figures})  # type: ignore[arg-type]  # fields of HostReading


def a_standing(**fields: object) -> ContainerStanding:
    given = {
        "id": ID,
        "name": "web",
        "image": "demo/web:1",
        "labels": {},
        "state": ContainerState.RUNNING,
        "health": Health.NONE,
        **fields,
    }
    return ContainerStanding(**given)  # type: ignore[arg-type]  # fields of ContainerStanding


def a_sample(**fields: float) -> ContainerSample:
    usage = ContainerUsage(cpu_ns=1, memory_bytes=1000, memory_limit_bytes=None)
    return ContainerSample(usage=usage, **fields)  # type: ignore[arg-type]  # fields of ContainerSample


def a_batch(**fields: object) -> SampleBatch:
    given = {
        "at_ms": 10_000,
        "interval_s": 10,
        "is_base": True,
        "host": HostSample(reading=a_reading()),
        "containers": {},
        **fields,
    }
    return SampleBatch(**given)  # type: ignore[arg-type]  # fields of SampleBatch


def values(batch: SampleBatch, kind: SubjectKind) -> dict[str, int]:
    return {
        BY_NUMBER[number].name: value
        for subject, number, value in rows_of(batch, node_id=NODE, node_name="alpha")
        if subject.kind is kind
    }


def test_values_are_whole_numbers_in_the_metrics_scale() -> None:
    batch = a_batch(
        standings=(a_standing(restarts=2, oom_kills=1, health=Health.UNHEALTHY),),
        containers={ID: a_sample(cpu_percent=12.345, rx_bytes_per_s=99.6)},
    )
    assert values(batch, SubjectKind.CONTAINER) == {
        "state": 1,
        "health": 3,
        "restarts": 2,
        "oom_kills": 1,
        "cpu_percent": 1234,
        "memory_bytes": 1000,
        "rx_bytes_per_s": 100,
    }


def test_a_container_that_does_not_run_still_has_its_state() -> None:
    batch = a_batch(standings=(a_standing(state=ContainerState.EXITED),))
    assert values(batch, SubjectKind.CONTAINER) == {"state": 0, "health": 0, "restarts": 0, "oom_kills": 0}


def test_what_was_not_measured_is_left_out_and_never_zero() -> None:
    batch = a_batch(host=HostSample(reading=a_reading(load_1=0.5), cpu_percent=float("nan")))
    assert values(batch, SubjectKind.HOST) == {"load_1": 50}


def test_only_base_batches_in_time_are_recorded() -> None:
    batch = a_batch(standings=(a_standing(),))
    assert rows_of(batch, node_id=NODE, node_name="alpha")
    assert rows_of(replace(batch, is_base=False), node_id=NODE, node_name="alpha") == ()
    assert rows_of(replace(batch, is_late=True), node_id=NODE, node_name="alpha") == ()


def subject_of(standing: ContainerStanding) -> tuple[str, str, dict[str, str]]:
    rows = rows_of(a_batch(standings=(standing,)), node_id=NODE, node_name="alpha")
    (subject,) = [each for each in subjects_of(rows) if each.kind is SubjectKind.CONTAINER]
    return subject.key, subject.name, dict(subject.labels)


def test_a_replica_is_labelled_with_its_service() -> None:
    labels = {
        "tower.service": "staging.shop.web",
        "tower.project": "shop",
        "tower.revision": "3",
        "tower.ordinal": "1",
    }
    assert subject_of(a_standing(labels=labels)) == (
        ID,
        "web",
        {
            "project": "shop",
            "service": "staging.shop.web",
            "replica": "1",
            "revision": "3",
            "environment": "staging",
            "image": "demo/web:1",
        },
    )


def test_a_container_of_compose_is_labelled_with_its_project() -> None:
    labels = {"com.docker.compose.project": "blog", "com.docker.compose.service": "db"}
    assert subject_of(a_standing(labels=labels))[2] == {
        "project": "blog",
        "service": "db",
        "image": "demo/web:1",
    }


def test_a_renamed_container_keeps_its_key() -> None:
    assert subject_of(a_standing(name="old"))[0] == subject_of(a_standing(name="new"))[0]


def test_whatever_somebody_labelled_a_container_with_makes_a_proper_subject() -> None:
    labels = {"com.docker.compose.project": "\x00\n" + "x" * 1000, "com.docker.compose.service": ""}
    assert subject_of(a_standing(labels=labels))[2]["project"] == "\ufffd\ufffd" + "x" * 254


def test_of_too_many_containers_those_that_run_are_recorded() -> None:
    stopped = [a_standing(id=f"a{number:063}", state=ContainerState.EXITED) for number in range(SUBJECTS_MAX)]
    host = HostSample(reading=a_reading(load_1=1.0))
    batch = a_batch(host=host, standings=(*stopped, a_standing()), containers={ID: a_sample()})
    subjects = subjects_of(rows_of(batch, node_id=NODE, node_name="alpha"))
    assert len(subjects) == SUBJECTS_MAX
    assert ID in {subject.key for subject in subjects}


def test_disks_sensors_routes_and_the_agent_are_subjects_of_their_own() -> None:
    batch = a_batch(
        disks=(
            DiskSample(
                usage=DiskUsage(
                    path="/data",
                    total_bytes=100,
                    used_bytes=40,
                    available_bytes=50,
                    inodes_used=3,
                    inodes_max=9,
                ),
                write_bytes_per_s=4096.0,
            ),
        ),
        sensors=(SensorReading(name="coretemp Package id 0", celsius=41.27),),
        routes=(
            RouteSample(
                service="shop.web",
                revision=2,
                requests=7,
                errors=2,
                lost=1,
                latency_p50_ms=1.25,
                latency_p95_ms=None,
                latency_p99_ms=None,
                requests_total=70,
                errors_total=20,
                lost_total=10,
                latencies_total={},
            ),
        ),
        agent=AgentSample(reading=AgentReading(loop_lag_ms=1.5, raft_term=4), raft_entries=12),
    )
    assert values(batch, SubjectKind.DISK) == {
        "disk_used_bytes": 40,
        "disk_size_bytes": 90,
        "inodes_used": 3,
        "inodes_max": 9,
        "write_bytes_per_s": 4096,
    }
    assert values(batch, SubjectKind.SENSOR) == {"temperature_celsius": 413}
    assert values(batch, SubjectKind.ROUTE) == {
        "requests": 7,
        "errors": 2,
        "lost": 1,
        "latency_p50_ms": 125,
    }
    assert values(batch, SubjectKind.AGENT) == {
        "loop_lag_ms": 150,
        "raft_term": 4,
        "raft_entries": 12,
        "samples_late": 0,
    }
    subjects = subjects_of(rows_of(batch, node_id=NODE, node_name="alpha"))
    assert {(each.kind.word, each.key, each.name) for each in subjects} >= {
        ("disk", "/data", "/data"),
        ("route", "shop.web@2", "shop.web@2"),
        ("agent", "", "alpha"),
    }


def test_every_metric_is_recorded_of_the_kinds_it_is_for() -> None:
    batch = a_batch(
        standings=(a_standing(),),
        containers={ID: a_sample(cpu_percent=1.0)},
        agent=AgentSample(reading=AgentReading(loop_lag_ms=1.0)),
    )
    for subject, number, _ in rows_of(batch, node_id=NODE, node_name="alpha"):
        assert subject.kind in BY_NUMBER[number].kinds
    assert BY_NAME["state"].number in {
        number for _, number, _ in rows_of(batch, node_id=NODE, node_name="alpha")
    }


def test_names_that_no_record_may_hold_do_not_keep_the_rest_from_being_recorded() -> None:
    names = ["a\x00b", "a\nb", "\x85", "\udcff", "\ud800", "\U0001f600" * 300]
    standings = tuple(
        a_standing(id=f"{number:064x}", name=name, image=name, labels={"com.docker.compose.project": name})
        for number, name in enumerate(names)
    )
    subjects = subjects_of(rows_of(a_batch(standings=standings), node_id=NODE, node_name="alpha"))
    assert sum(subject.kind is SubjectKind.CONTAINER for subject in subjects) == len(names)
