"""Rollouts under load on the lab: a sample runs in every test run, all of them in `make verify`.

Each returns what clients saw. A request is lost when it got no answer, or an error that no bad version is to
blame for.
"""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import yaml

from tests.support.lab import Host
from tests.support.open_load import OpenLoad, Seen
from tests.support.shop import APP, Shop

RATE_PER_S = 400.0
REQUESTS_MIN = 10_000

STRATEGIES: dict[str, dict[str, Any]] = {
    "rolling": {"strategy": "rolling"},
    "blue-green": {
        "strategy": "blue-green",
        "blue_green": {
            "steps": [{"weight": 20, "for": "4s"}, {"weight": 100}],
            "monitor": "4s",
            "keep_blue": "0s",
        },
    },
    "canary": {
        "strategy": "canary",
        "canary": {
            "steps": [{"weight": 10, "for": "4s"}, {"weight": 40, "for": "4s"}, {"weight": 100}],
        },
    },
}

ANALYSIS = {"warmup": "0s", "min_requests": 50, "on_inconclusive": "promote"}

FAULTS: dict[str, dict[str, str]] = {
    "errors": {"FAIL_RATE": "0.2"},
    "slow": {"LATENCY_MS": "150"},
    "crash-loop": {"CRASH_AFTER": "50ms"},
    "crash-once-healthy": {"CRASH_AFTER": "400ms"},
    "crashes": {"CRASH_AFTER": "6s"},
    "never-healthy": {"UP": "never"},
    "turns-unhealthy": {"UP": "3s"},
    "leak": {"LEAK_KIB_PER_S": "16384"},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """A version of the app to deploy, how, and with which faults."""

    version: str
    strategy: str = "rolling"
    environment: dict[str, str] = field(default_factory=dict)
    tower: dict[str, Any] = field(default_factory=dict)

    def compose(self) -> str:
        """The Compose file."""
        service = {
            "image": "registry:5000/demo/web:1",
            "environment": {"VERSION": self.version, **self.environment},
            "healthcheck": {"disable": True},
            "stop_grace_period": "10s",
            "deploy": {
                "replicas": 3,
                "resources": {"limits": {"memory": "64M"}},
                "update_config": {"monitor": "1s"},
            },
            "x-tower": {
                "route": {"host": APP, "port": 8080, "health": "/up"},
                "start_deadline": "15s",
                "drain": {"timeout": "5s"},
                "analysis": ANALYSIS,
                **STRATEGIES[self.strategy],
                **self.tower,
            },
        }
        return yaml.safe_dump({"name": "shop", "services": {"web": service}}, sort_keys=False)


@contextmanager
def under_load(shop: Shop, *, websockets: int = 6) -> Iterator[OpenLoad]:
    """Clients of every host's router, a quarter of them on fresh connections."""
    with OpenLoad(shop.addresses, APP, rate_per_s=RATE_PER_S, websockets=websockets).running() as load:
        load.wait_more(200)
        yield load


def begin(shop: Shop, release: Release, *, at: Host | None = None) -> None:
    """Deploy; the rollout goes on by itself."""
    shop.tower("deploy", shop.write(release.compose()), "--no-wait", at=at)


def settle(shop: Shop, release: Release) -> None:
    """Have the release run whole, whatever was before, without looking at how it came there."""
    begin(shop, release)
    rollout = shop.wait_for_end()
    assert rollout["phase"] == "succeeded", rollout
    shop.agents.wait("every replica runs once", shop.is_whole, tell=shop.tell)


def roll_forward(shop: Shop, release: Release) -> tuple[dict[str, Any], Seen]:
    """Deploy under load; the rollout's record, and what clients saw."""
    with under_load(shop) as load:
        begin(shop, release)
        rollout = shop.wait_for_end()
        load.wait_more(500)
        load.wait_for(REQUESTS_MIN, timeout_s=120)
    return rollout, load.seen


def wait_for_share(shop: Shop, load: OpenLoad, version: str, *, timeout_s: float = 60) -> None:
    """Wait until clients get answers of a version."""
    deadline_s = time.monotonic() + timeout_s
    while not load.seen.answers[version]:
        assert time.monotonic() < deadline_s, shop.tell()
        time.sleep(0.05)


def interrupt(shop: Shop, release: Release, what: Callable[[], object]) -> tuple[dict[str, Any], Seen]:
    """Deploy under load, and do something as soon as the new version gets requests."""
    with under_load(shop) as load:
        begin(shop, release)
        wait_for_share(shop, load, release.version)
        what()
        rollout = shop.wait_for_end()
        load.wait_more(500)
        load.wait_for(REQUESTS_MIN, timeout_s=120)
    return rollout, load.seen


def other_colour(shop: Shop) -> str:
    """The colour that a staged rollout would bring its replicas up in."""
    split = json.loads(shop.tower("traffic", "shop.web", "--json"))
    serving = [share["colour"] for share in split["shares"] if share["permille"] > 500]
    return "blue" if serving == ["green"] else "green"


def kill_leader(shop: Shop) -> Host:
    """End the leader's agent with SIGKILL; its service manager starts it again."""
    leader = shop.agents.leader()
    shop.agents.process(leader).signal(signal.SIGKILL)
    return leader
