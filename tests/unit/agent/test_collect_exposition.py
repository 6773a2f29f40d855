"""Samples as families for Prometheus."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from agent.collect.exposition import CONTAINERS_MAX, STALE_S, ExposedNode, LatestSamples, families_of
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
    Pressure,
    SensorReading,
)
from cluster.model.exposition import Distribution, FamilyType
from cluster.model.ids import NodeId
from cluster.model.traffic import latency_bucket
from tests.support.fake_clock import FakeClock
from tests.support.requirements import require_program
from web.api.prometheus import render


def a_standing(name: str = "web", **fields: Any) -> ContainerStanding:
    given = {
        "id": name.ljust(64, "0"),
        "name": name,
        "image": "demo/web:1",
        "labels": {},
        "state": ContainerState.RUNNING,
        "health": Health.NONE,
        **fields,
    }
    return ContainerStanding(**given)


def a_batch(*standings: ContainerStanding, **fields: Any) -> SampleBatch:
    usage = ContainerUsage(
        cpu_ns=2_500_000_000,
        memory_bytes=1000,
        memory_limit_bytes=None,
        rx_bytes=5,
        pids=3,
        pressure=Pressure(io_us=1_500_000),
    )
    reading = HostReading(
        cpu_busy_ticks=300,
        cpu_total_ticks=1000,
        cpu_count=2,
        memory_total_bytes=100,
        memory_available_bytes=60,
        swap_total_bytes=0,
        swap_free_bytes=0,
        load_1=0.5,
        load_5=0.4,
        load_15=0.3,
        rx_bytes=1,
        tx_bytes=2,
        uptime_s=100.0,
        cpu_user_ticks=200,
        cpu_system_ticks=100,
        cpu_iowait_ticks=50,
        cpu_steal_ticks=0,
    )
    given = {
        "at_ms": 1_000_000,
        "interval_s": 10,
        "is_base": True,
        "host": HostSample(reading=reading),
        "standings": standings,
        "containers": {
            each.id: ContainerSample(usage=usage) for each in standings if each.state.has_processes
        },
        "disks": (
            DiskSample(
                usage=DiskUsage(
                    path="/data", total_bytes=10, used_bytes=4, available_bytes=5, kind="ext4", write_bytes=9
                )
            ),
        ),
        "sensors": (SensorReading(name="cpu", celsius=41.5),),
        "agent": AgentSample(reading=AgentReading(cpu_s=1.5, queues={"proposals": 2}, loop_lag_ms=3.0)),
        **fields,
    }
    return SampleBatch(**given)


def series(batch: SampleBatch) -> dict[str, dict[tuple[str, ...], float | Distribution]]:
    """By family: values by the labels' values."""
    return {
        family.name: {
            tuple(value for _, value in point.labels if value): point.value for point in family.points
        }
        for family in families_of(batch)
    }


def test_a_containers_counters_are_seconds_and_bytes_under_its_name() -> None:
    labels = {"com.docker.compose.project": "blog", "com.docker.compose.service": "db"}
    found = series(a_batch(a_standing("web", restarts_total=4), a_standing("db", labels=labels)))
    assert found["tower_container_cpu_seconds"] == {("web",): 2.5, ("db", "db", "blog"): 2.5}
    assert found["tower_container_restarts"][("web",)] == 4
    assert found["tower_container_processes"][("web",)] == 3
    assert found["tower_container_pressure_waiting_seconds"] == {
        ("web", "io"): 1.5,
        ("db", "db", "blog", "io"): 1.5,
    }
    # What was not measured, or has no limit, is absent and not zero.
    assert found["tower_container_memory_limit_bytes"] == {}
    assert found["tower_container_disk_read_bytes"] == {}
    assert ("web", "web".ljust(12, "0"), "demo/web:1") in found["tower_container"]


def test_a_container_that_ended_is_shown_as_not_running_without_figures() -> None:
    ended = a_standing("job", state=ContainerState.EXITED)
    checked = a_standing("api", health=Health.UNHEALTHY)
    found = series(a_batch(ended, checked))
    assert found["tower_container_running"] == {("api",): 1, ("job",): 0}
    assert found["tower_container_healthy"] == {("api",): 0}
    assert set(found["tower_container_cpu_seconds"]) == {("api",)}


def test_the_hosts_modes_add_up_to_its_time() -> None:
    found = series(a_batch())
    modes = found["tower_host_cpu_seconds"]
    assert modes == {("user",): 2.0, ("system",): 1.0, ("iowait",): 0.5, ("steal",): 0.0, ("idle",): 6.5}
    assert found["tower_host_boot_time_seconds"] == {(): 900.0}
    assert found["tower_filesystem_written_bytes"] == {("/data", "ext4"): 9}
    assert found["tower_filesystem_inodes"] == {}
    assert found["tower_host_temperature_celsius"] == {("cpu",): 41.5}
    assert found["tower_agent_loop_lag_seconds"] == {(): 0.003}


def a_route(latencies: Mapping[int, int]) -> RouteSample:
    return RouteSample(
        service="shop.web",
        revision=2,
        requests=1,
        errors=0,
        lost=0,
        latency_p50_ms=None,
        latency_p95_ms=None,
        latency_p99_ms=None,
        requests_total=70,
        errors_total=20,
        lost_total=10,
        latencies_total=latencies,
    )


def test_latencies_are_a_histogram_from_a_millisecond_to_sixteen_seconds() -> None:
    latencies = {latency_bucket(0.2): 1, latency_bucket(3.0): 10, latency_bucket(900.0): 4, 170: 1}
    found = series(a_batch(routes=(a_route(latencies),)))
    assert found["tower_route_requests"] == {("shop.web", "2"): 70}
    (value,) = found["tower_route_latency_seconds"].values()
    assert isinstance(value, Distribution)
    counts = dict(value.buckets)
    assert (len(counts), counts[0.001], counts[0.002], counts[0.004], counts[1.024]) == (15, 1, 1, 11, 15)
    assert max(counts) == pytest.approx(16.384)
    assert value.count == 16
    exact = series(a_batch(routes=(a_route({latency_bucket(3.0): 10, latency_bucket(900.0): 4}),)))
    (value,) = exact["tower_route_latency_seconds"].values()
    assert isinstance(value, Distribution)
    assert value.total == pytest.approx(0.03 + 3.6, rel=0.05)


def test_the_number_of_series_is_bounded_and_what_is_left_out_is_counted() -> None:
    stopped = [a_standing(f"job-{n}", state=ContainerState.EXITED) for n in range(CONTAINERS_MAX)]
    found = series(a_batch(*stopped, a_standing("web")))
    assert len(found["tower_container_running"]) == CONTAINERS_MAX
    assert found["tower_container_running"][("web",)] == 1
    assert found["tower_containers_left_out"] == {(): 1}


def test_two_containers_of_one_name_are_one_series() -> None:
    killed = replace(a_standing("web", state=ContainerState.EXITED), id="f" * 64)
    assert len(series(a_batch(a_standing("web"), killed))["tower_container_running"]) == 1


def test_old_figures_are_left_out_and_late_ones_never_taken() -> None:
    clock = FakeClock()
    node = ExposedNode(node_id=NodeId("n1"), name="alpha", version="1.0")
    latest = LatestSamples(node=lambda: node, clock=clock)

    def names() -> set[str]:
        return {family.name for family in latest.families()}

    assert names() == {"tower_node"}
    latest.take(replace(a_batch(a_standing()), is_late=True))
    latest.take(replace(a_batch(a_standing()), is_base=False))
    assert names() == {"tower_node"}
    latest.take(a_batch(a_standing()))
    assert {"tower_container_running", "tower_sample_age_seconds"} <= names()
    clock._elapsed_s += STALE_S + 1
    assert names() == {"tower_node", "tower_sample_age_seconds"}


def test_promtool_finds_nothing_to_say_about_any_family() -> None:
    promtool = require_program("promtool", package="prometheus")
    everything = families_of(
        a_batch(
            a_standing("web", health=Health.HEALTHY),
            routes=(a_route({3: 4}),),
            agent=AgentSample(
                reading=AgentReading(
                    cpu_s=1.0,
                    memory_bytes=1,
                    loop_lag_ms=1.0,
                    raft_term=1,
                    commit_index=2,
                    applied_index=2,
                    is_leader=True,
                    has_leader=True,
                    queues={"samples": 0},
                    state_bytes=1,
                    log_bytes=1,
                    history_bytes=1,
                )
            ),
        )
    )
    text = render(everything, is_open=False)
    done = subprocess.run(
        [promtool, "check", "metrics"], input=text, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_a_familys_name_ends_with_its_unit() -> None:
    for family in families_of(a_batch(a_standing())):
        assert family.type in FamilyType
        assert not family.unit or family.name.endswith(family.unit)
        assert family.help
