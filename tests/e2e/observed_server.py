"""The product's own web server over a shop that was measured for a while, for tests and for looking at:

python -m tests.e2e.observed_server --port 8940 --days 365 --static /tmp/static
"""

from __future__ import annotations

import argparse
import contextlib
import sys
import tempfile
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

from agent.clock import SystemClock
from cluster.commands.alerts import AlertChange, CommitAlerts
from cluster.commands.nodes import UpdateNodeFacts
from cluster.model.access import Role
from cluster.model.alerts import Alert, AlertPhase, AlertSubject, RuleKind, Told
from cluster.model.events import Severity
from cluster.model.ids import NodeId
from cluster.model.inventory import HostLive, LiveSeries
from cluster.model.node import NodeFacts
from tests.e2e.world_server import Serving, serving
from tests.support.deployments import deployed, lead
from tests.support.history_loader import HOUR_MS, a_history, load
from tests.support.measured_shop import GIB, INCIDENT_MS, SERVICES, segments_of
from tests.support.state_builders import a_spec
from tests.support.web_fakes import PASSWORD, WebWorld, a_container, a_web_world, put_containers
from web.server import STATIC
from web.tools.pace import Pace

NODES = ("nd_1", "nd_2", "nd_3")
QUICK = Pace(coalesce_s=0.05, containers_s=0.5, metrics_s=1.0)
SLOT_MS = 10_000
LOAD_TIMEOUT_S = 900.0
_MINUTE_MS = 60_000


def a_shop_world(now_ms: int) -> WebWorld:
    """Three hosts with a service each way, four alerts, and people of every role."""
    world = a_web_world(now_ms=now_ms)
    for name, role in (("ada", Role.ADMIN), ("otto", Role.OPERATOR), ("vera", Role.VIEWER)):
        world.add_user(name, role)
    lead(world)
    for node_id in NODES:
        facts = NodeFacts(hostname=node_id, cpu_count=8, memory_bytes=16 * 1024**3, disk_bytes=260 * 1024**3)
        world.state.must(UpdateNodeFacts(node_id=NodeId(node_id), facts=facts))
    for name, *_ in SERVICES:
        deployed(world, *NODES, service=f"shop.{name}", spec=a_spec(f"registry.example/{name}:1"))
    for place, node_id in enumerate(NODES):
        put_containers(
            world,
            node_id,
            *(
                a_container(
                    f"shop-{name}-{place + 1}",
                    id=f"{place:02x}{number:02x}" + "ab" * 30,
                    project="shop",
                    service=name,
                    cpu_percent=busy,
                    memory_bytes=int(memory * GIB),
                    memory_limit_bytes=int(2 * GIB),
                )
                for number, (name, busy, memory, _) in enumerate(SERVICES)
            ),
        )
        put_live(world, node_id, place, now_ms)
    fire_some(world, now_ms)
    return world


def put_live(world: WebWorld, node_id: str, place: int, now_ms: int) -> None:
    """The last ten minutes of a host."""
    times = tuple(now_ms - now_ms % SLOT_MS - SLOT_MS * back for back in reversed(range(60)))
    levels = {
        "cpu_percent": 24.0 + 6 * place,
        "memory_bytes": (7 + place) * GIB,
        "memory_limit_bytes": 16 * GIB,
        "rx_bytes_per_s": 3.2e6,
        "tx_bytes_per_s": 5.1e6,
    }
    world.hosts.numbers[node_id] = HostLive(
        node_id=NodeId(node_id),
        times_ms=times,
        series=tuple(
            LiveSeries(
                subject="host",
                metric=metric,
                values=tuple(
                    level
                    if metric.endswith("limit_bytes")
                    else level * (1 + 0.08 * ((slot * 7 + place) % 5 - 2) / 2)
                    for slot in range(len(times))
                ),
            )
            for metric, level in levels.items()
        ),
    )


def fire(world: WebWorld, now_ms: int, **fields: Any) -> int:
    """Have the leader commit an alert that is told; returns its number."""
    base: dict[str, Any] = {
        "rule_id": "host-down",
        "kind": RuleKind.HOST_DOWN,
        "subject": AlertSubject(kind="host", key="host:h2", name="h2", node_id="nd_2", node_name="h2"),
        "severity": Severity.CRITICAL,
        "phase": AlertPhase.FIRING,
        "since_ms": now_ms - _MINUTE_MS,
        "judged_ms": now_ms,
        "fired_at_ms": now_ms,
        "text": "Host h2 is down.",
        "hint": "See whether it has power and network.",
    }
    change = AlertChange(alert=Alert(**{**base, **fields}), expected_version=0, told=Told.FIRING)
    (number,) = world.state.must(CommitAlerts(changes=(change,)))
    assert isinstance(number, int)
    return number


def fire_some(world: WebWorld, now_ms: int) -> None:
    """A disk that fills, a leak, a container that was killed, and latency that is over."""
    fire(
        world,
        now_ms,
        rule_id="disk-full-soon",
        kind=RuleKind.FORECAST,
        severity=Severity.WARNING,
        subject=AlertSubject(kind="disk", key="disk:nd_2:/srv", name="/srv", node_id="nd_2", node_name="h2"),
        since_ms=now_ms - 9 * HOUR_MS,
        fired_at_ms=now_ms - 9 * HOUR_MS,
        text="/srv on h2 is full in about 12 days.",
        usual="It fills by 1.1 GiB a day, twice as much as a month ago.",
        hint="Remove what is not needed, or make it larger.",
        value=0.91,
        translations=(
            ("it.hint", "Rimuovere ciò che non serve, o ingrandirlo."),
            ("it.text", "/srv su h2 è pieno fra circa 12 giorni."),
            ("it.usual", "Si riempie di 1,1 GiB al giorno, il doppio di un mese fa."),
        ),
    )
    fire(
        world,
        now_ms,
        rule_id="out-of-memory",
        kind=RuleKind.OUT_OF_MEMORY,
        subject=AlertSubject(
            kind="container",
            key="container:nd_3:shop-worker-3",
            name="shop-worker-3",
            node_id="nd_3",
            node_name="h3",
            service_id="shop.worker",
        ),
        since_ms=now_ms - 5 * HOUR_MS,
        fired_at_ms=now_ms - 5 * HOUR_MS,
        text="shop-worker-3 on h3 ran out of memory and was killed.",
        hint="Give it a higher limit, or find what it holds.",
        value=1.0,
        translations=(
            ("it.hint", "Aumentare il limite, o cercare che cosa trattiene."),
            ("it.text", "shop-worker-3 su h3 ha esaurito la memoria ed è stato terminato."),
        ),
    )
    number = fire(
        world,
        now_ms,
        rule_id="latency",
        kind=RuleKind.ANOMALY,
        severity=Severity.WARNING,
        subject=AlertSubject(kind="service", key="service:shop.web", name="shop.web", service_id="shop.web"),
        since_ms=now_ms - INCIDENT_MS[0],
        fired_at_ms=now_ms - INCIDENT_MS[0] + _MINUTE_MS,
        text="shop.web answers slowly: 95 of 100 requests within 720 ms.",
        usual="Usually it is 95 ms at this time of day.",
        hint="See what its hosts wait for.",
        value=720.0,
    )
    assert number > 0


@contextmanager
def observed(
    directory: Path, *, days: int = 3, port: int = 0, static: Path | None = None
) -> Iterator[Serving]:
    """Serve the shop with its history over TLS."""
    now_ms = SystemClock().now_ms()

    @asynccontextmanager
    async def measured() -> AsyncIterator[WebWorld]:
        world = a_shop_world(now_ms)
        async with a_history(directory / "history") as history:
            for segment in segments_of(list(NODES), now_ms, days=days):
                await load(
                    segment.series,
                    state=world.state,
                    history=history,
                    start_ms=segment.start_ms,
                    step_ms=segment.step_ms,
                )
            world.history = history
            yield world

    with serving(
        measured, directory, pace=QUICK, port=port, static=static, start_timeout_s=LOAD_TIMEOUT_S
    ) as server:
        yield server


def main() -> None:
    parser = argparse.ArgumentParser(description="serve a measured shop to the dashboard")
    parser.add_argument("--port", type=int, default=8940)
    parser.add_argument("--days", type=int, default=365)
    parser.add_argument("--static", type=Path, default=STATIC)
    arguments = parser.parse_args()
    with (
        tempfile.TemporaryDirectory() as directory,
        observed(
            Path(directory), days=arguments.days, port=arguments.port, static=arguments.static
        ) as server,
        contextlib.suppress(KeyboardInterrupt),
    ):
        sys.stdout.write(f"{server.address}: ada, otto, vera; password: {PASSWORD}\n")
        sys.stdout.flush()
        threading.Event().wait()


if __name__ == "__main__":
    main()
