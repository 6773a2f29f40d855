"""Clusters for the dashboard to show: the answers of the interface, as plain JSON values.

A scene is what one host would answer at one moment. Tests change it and have it pushed.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from cluster.model.access import Role
from cluster.rbac import ACTIONS, built_in

Json = dict[str, Any]

GIB = 1024**3
MIB = 1024**2
SLOT_MS = 10_000
SLOTS = 60
NOW_MS = 1_767_225_600_000

_PROJECTS: dict[str, tuple[tuple[str, str, int], ...]] = {
    "shop": (
        ("web", "registry.internal:5000/shop/web:2.14.0", 6),
        ("api", "registry.internal:5000/shop/api:2.14.0", 4),
    ),
    "blog": (("site", "ghost:5.87-alpine", 2), ("db", "mysql:8.4", 1)),
    "observability": (("grafana", "grafana/grafana:11.2.0", 1), ("loki", "grafana/loki:3.1.1", 1)),
    "media": (("jellyfin", "jellyfin/jellyfin:10.9.11", 1), ("worker", "media/transcode:1.8", 3)),
}
_LOOSE = (
    ("registry", "registry:2"),
    ("portainer-old", "portainer/portainer-ce:2.19.5"),
    ("cron", "alpine:3.20"),
)


@dataclass(slots=True, kw_only=True)
class Scene:
    """What a host answers. Lists hold JSON values; change them in place, then have the server push."""

    now_ms: int = NOW_MS
    is_set_up: bool = True
    cluster: Json = field(default_factory=dict)
    containers: list[Json] = field(default_factory=list)
    problems: list[Json] = field(default_factory=list)
    services: list[Json] = field(default_factory=list)
    rollouts: list[Json] = field(default_factory=list)
    alerts: list[Json] = field(default_factory=list)
    audit: list[Json] = field(default_factory=list)
    metrics: list[Json] = field(default_factory=list)
    log_lines: list[Json] = field(default_factory=list)
    answers: dict[str, Json] = field(default_factory=dict)
    """What else is answered, by method and path: `GET /environments`."""

    @property
    def nodes(self) -> list[Json]:
        nodes: list[Json] = self.cluster["nodes"]
        return nodes

    def node(self, name: str) -> Json:
        return next(node for node in self.nodes if node["name"] == name)

    def container(self, name: str) -> Json:
        return next(container for container in self.containers if container["name"] == name)

    def set_latest(self, node_id: str, subject: str, metric: str, value: float) -> None:
        """Make `value` the newest sample of a series."""
        host = next(each for each in self.metrics if each["node_id"] == node_id)
        for series in host["series"]:
            if (series["subject"], series["metric"]) == (subject, metric):
                series["values"][-1] = value


def me(role: Role) -> Json:
    """Return the account of `role`, with the permissions the product really gives it."""
    return {
        "principal_id": f"us-{role}",
        "name": {Role.ADMIN: "ada", Role.OPERATOR: "otto", Role.VIEWER: "vera"}[role],
        "role": role.value,
        "permissions": [name for name in sorted(ACTIONS) if name in built_in(role).allows],
        "csrf_token": "csrf-of-the-stub",
    }


def three_hosts(*, copies: int = 1, now_ms: int = NOW_MS) -> Scene:
    """Return a healthy cluster of three with about 40 containers (times `copies`), one rollout under way."""
    rng = random.Random(7)
    scene = Scene(now_ms=now_ms)
    nodes = [
        _node("h1", rng, now_ms=now_ms, is_leader=True, is_self=True),
        _node("h2", rng, now_ms=now_ms),
        _node("h3", rng, now_ms=now_ms),
    ]
    scene.cluster = _cluster(nodes)
    count = 0
    for copy in range(copies):
        for project, services in _PROJECTS.items():
            for service, image, replicas in services:
                for ordinal in range(replicas):
                    node = nodes[count % 3]
                    name = (
                        f"tower-{project}.{service}-4-{ordinal}"
                        if project == "shop"
                        else f"{project}-{service}-{ordinal + 1}"
                    )
                    name = name if copy == 0 else f"{name}-{copy}"
                    scene.containers.append(
                        _container(
                            name, image, node, rng, now_ms, project=project, service=service, ordinal=count
                        )
                    )
                    count += 1
        for name, image in _LOOSE:
            for node in nodes:
                shown = name if copy == 0 else f"{name}-{copy}"
                scene.containers.append(_container(shown, image, node, rng, now_ms, ordinal=count))
                count += 1
        for extra in range(12):
            shown = f"batch-{copy}-{extra}"
            scene.containers.append(
                _container(
                    shown,
                    "python:3.12-slim",
                    nodes[extra % 3],
                    rng,
                    now_ms,
                    project="batch",
                    service="job",
                    ordinal=count,
                )
            )
            count += 1
    _spoil(scene)
    _count(scene)
    scene.services = [
        _service(
            "shop.web",
            6,
            5,
            revision=5,
            image="registry.internal:5000/shop/web:2.15.0",
            route="shop.example.net",
            status="rolling-out",
            rollout="ro-1",
            now_ms=now_ms,
        ),
        _service(
            "shop.api",
            4,
            4,
            revision=4,
            image="registry.internal:5000/shop/api:2.14.0",
            route="api.example.net",
            now_ms=now_ms,
        ),
        _service(
            "blog.site", 2, 2, revision=2, image="ghost:5.87-alpine", route="blog.example.net", now_ms=now_ms
        ),
        _service(
            "media.worker", 3, 2, revision=7, image="media/transcode:1.8", status="degraded", now_ms=now_ms
        ),
    ]
    # It is being replaced, and media.worker was taken back.
    scene.services[0]["serving"] = [
        _served(4, "registry.internal:5000/shop/web:2.14.0", 1, permille=200),
        _served(5, "registry.internal:5000/shop/web:2.15.0", 4, permille=800),
    ]
    scene.services[3].update(revision=8, image="media/transcode:1.9")
    scene.services[3]["troubles"] = [_trouble(1, "h2", "unhealthy", "its check failed 3 times in a row")]
    scene.rollouts = [
        _rollout(
            "ro-1",
            "shop.web",
            4,
            5,
            "running",
            "4 of 6 replicas on revision 5",
            done=4,
            total=6,
            at_ms=now_ms - 74_000,
        ),
        _rollout(
            "ro-2",
            "shop.api",
            3,
            4,
            "succeeded",
            "every replica is on revision 4",
            done=4,
            total=4,
            at_ms=now_ms - 3_600_000,
        ),
        _rollout(
            "ro-3",
            "media.worker",
            7,
            8,
            "rolled-back",
            "back on revision 7",
            done=0,
            total=3,
            at_ms=now_ms - 7_200_000,
            reason="replica 1 exited with code 137 within 10 s of starting",
        ),
    ]
    scene.audit = [
        _audit(412, now_ms - 40_000, "otto", "container.restart", "container:h2/blog-site-2", "applied"),
        _audit(411, now_ms - 74_500, "deploy-bot", "service.deploy", "service:shop.web", "applied"),
        _audit(
            409,
            now_ms - 900_000,
            "vera",
            "container.stop",
            "container:h1/registry",
            "denied",
            reason="container.stop needs role operator; this is a viewer",
        ),
        _audit(402, now_ms - 5_400_000, "ada", "node.drain", "node:h3", "applied"),
    ]
    scene.metrics = [
        _live(node, [each for each in scene.containers if each["node_id"] == node["id"]], now_ms)
        for node in nodes
    ]
    scene.log_lines = [
        {
            "stream": "stderr" if number % 17 == 0 else "stdout",
            "at_ms": now_ms - 60_000 + number * 400,
            "text": _log_text(number),
        }
        for number in range(140)
    ]
    return scene


def empty_cluster(now_ms: int = NOW_MS) -> Scene:
    """Return one host that has just been initialised."""
    rng = random.Random(3)
    node = _node("h1", rng, now_ms=now_ms, is_leader=True, is_self=True)
    node["containers"] = {"running": 0, "total": 0}
    scene = Scene(now_ms=now_ms, cluster=_cluster([node]))
    scene.cluster["quorum"] = _quorum(
        1, 1, can_lose=0, advice="one host alone: join two more, so that the cluster survives the loss of one"
    )
    scene.metrics = [_live(node, [], now_ms, slots=4)]
    return scene


def lost_host(now_ms: int = NOW_MS) -> Scene:
    """Return the three hosts after one of them has gone."""
    scene = three_hosts(now_ms=now_ms)
    gone = scene.node("h3")
    gone.update(
        status="down",
        status_reason="no heartbeat for 3.0 s",
        status_at_ms=now_ms - 42_000,
        last_seen_ms=now_ms - 45_000,
        problem=_NO_ANSWER,
        cpu_percent=None,
        memory_bytes=None,
    )
    scene.problems = [{"node_id": gone["id"], "node_name": "h3", "reason": _NO_ANSWER}]
    for container in scene.containers:
        if container["node_id"] == gone["id"]:
            container["age_ms"] = 42_000
    scene.metrics = [_older(host, 5) if host["node_id"] == gone["id"] else host for host in scene.metrics]
    for service in scene.services:
        service["nodes"] = ["h1", "h2"]
    _set_apart(scene)
    scene.cluster["quorum"] = _quorum(
        3, 2, can_lose=0, advice="losing one more voter stops all changes: bring 1 back"
    )
    return scene


_NO_ANSWER = "h3 at 10.77.0.3:7445 cannot be reached: it took too long"


def _older(live: Json, slots: int) -> Json:
    """What a host told until that many slots ago."""
    return {**live, "times_ms": [at_ms - slots * SLOT_MS for at_ms in live["times_ms"]]}


def _set_apart(scene: Scene) -> None:
    """What the loss of a host does to services: one moves, one waits for it."""
    for service in scene.services:
        match service["id"]:
            case "shop.api":
                trouble = _trouble(3, "h2", "pulling", "fetching the image, 40 %")
                service.update(status="degraded", replicas_ready=3, troubles=[trouble])
            case "media.worker":
                trouble = {**_trouble(1, "h3", "healthy", ""), "is_host_down": True}
                service.update(status="degraded", replicas_ready=2, troubles=[trouble])


def _trouble(ordinal: int, node_name: str, phase: str, reason: str) -> Json:
    return {
        "ordinal": ordinal,
        "node_name": node_name,
        "is_host_down": False,
        "phase": phase,
        "reason": reason,
    }


def no_quorum(now_ms: int = NOW_MS) -> Scene:
    """Return the same cluster after two hosts have gone: nobody leads."""
    scene = lost_host(now_ms)
    gone = scene.node("h2")
    # Nobody leads, so nobody commits that it is down.
    gone.update(last_seen_ms=now_ms - 15_000, lag=None, problem=_NO_ANSWER.replace("h3", "h2"))
    scene.problems.append({"node_id": gone["id"], "node_name": "h2", "reason": gone["problem"]})
    scene.node("h1")["is_leader"] = False
    scene.cluster["leader_id"] = None
    scene.cluster["quorum"] = _quorum(
        3,
        1,
        can_lose=0,
        advice="the quorum is lost: 1 more of the voters must come back before anything can be changed",
    )
    scene.cluster["age_ms"] = 15_000
    return scene


def many_hosts(now_ms: int = NOW_MS) -> Scene:
    """Return twelve hosts with two thousand containers."""
    scene = three_hosts(copies=48, now_ms=now_ms)
    rng = random.Random(11)
    for number in range(4, 13):
        node = _node(f"h{number}", rng, now_ms=now_ms, role="voter" if number < 6 else "learner")
        node["is_draining"] = number == 7
        scene.nodes.append(node)
        scene.metrics.append(_live(node, [], now_ms))
    return scene


def a_canary(now_ms: int = NOW_MS) -> Scene:
    """Return the cluster of three with a canary that waits for somebody, and a revision that is kept."""
    scene = three_hosts(now_ms=now_ms)
    steps = [
        {"permille": permille, "hold_ms": 60_000, "needs_approval": True} for permille in (50, 250, 1000)
    ]
    scene.rollouts[0].update(
        strategy="canary",
        progress="canary step 2 of 3, 25 %: waits for approval; 2 replicas ready on revision 5",
        verdict="no worse so far: 3 of 1,204 requests failed, 9 of 3,611 before",
        can=["approve", "pause", "promote", "abort"],
        stage={
            "name": "approve",
            "words": "canary step 2 of 3, 25 %: waits for approval",
            "colour": "green",
            "step": 2,
            "steps": steps,
            "permille": 250,
            "since_ms": now_ms - 20_000,
            "hold_until_ms": None,
            "deadline_ms": now_ms + 600_000,
            "approved_by": "",
        },
        split={
            "shares": [
                {"colour": "blue", "permille": 750, "revisions": [4], "replicas": 6},
                {"colour": "green", "permille": 250, "revisions": [5], "replicas": 2},
            ],
            "token": 4711,
            "changed_at_ms": now_ms - 30_000,
            "by": "",
            "routers": [
                {
                    "node_id": node["id"],
                    "node_name": node["name"],
                    "is_down": False,
                    "has_routed": node["name"] != "h3",
                }
                for node in scene.nodes
            ],
            "waiting_for": ["h3"],
        },
    )
    scene.services[1]["kept"] = {"revision": 3, "colour": "blue", "until_ms": now_ms + 540_000}
    return scene


SCENES: dict[str, Callable[[int], Scene]] = {
    "three": lambda now_ms: three_hosts(now_ms=now_ms),
    "empty": empty_cluster,
    "lost": lost_host,
    "no-quorum": no_quorum,
    "many": many_hosts,
    "canary": a_canary,
}


def _quorum(voters: int, healthy: int, *, can_lose: int, advice: str) -> Json:
    return {"voters": voters, "healthy": healthy, "can_lose": can_lose, "advice": advice}


def _cluster(nodes: list[Json]) -> Json:
    return {
        "cluster_id": "cl-7f3a",
        "name": "production",
        "node_id": nodes[0]["id"],
        "version": "0.1.0",
        "leader_id": nodes[0]["id"],
        "term": 7,
        "commit_index": 18_442,
        "applied_index": 18_442,
        "age_ms": 40,
        "quorum": _quorum(
            len(nodes), len(nodes), can_lose=(len(nodes) - 1) // 2, advice="you can lose 1 more host"
        ),
        "nodes": nodes,
        "disk_full": None,
    }


def _node(
    name: str,
    rng: random.Random,
    *,
    now_ms: int,
    is_leader: bool = False,
    is_self: bool = False,
    role: str = "voter",
) -> Json:
    number = int(name[1:])
    return {
        "id": f"node-{number:04x}{rng.getrandbits(32):08x}",
        "name": name,
        "role": role,
        "status": "up",
        "status_reason": "",
        "status_at_ms": now_ms - 86_400_000,
        "is_draining": False,
        "labels": {},
        "is_leader": is_leader,
        "is_self": is_self,
        "address": f"10.77.0.{number}:7444",
        "api_address": f"10.77.0.{number}:7443",
        "joined_at_ms": now_ms - 86_400_000,
        "lag": 0,
        "facts": {
            "hostname": name,
            "os_name": "Debian GNU/Linux",
            "os_version": "12 (bookworm)",
            "kernel": "6.1.0-26-amd64",
            "arch": "x86_64",
            "cpu_count": 8,
            "memory_bytes": 16 * GIB,
            "disk_bytes": 480 * GIB,
            "docker_version": "20.10.24",
            "agent_version": "0.1.0",
            "labels": {},
        },
        "containers": {"running": 0, "total": 0},
        "cpu_percent": 20.0,
        "memory_bytes": 5 * GIB,
        "last_seen_ms": now_ms - 300,
        "problem": "",
    }


def _container(
    name: str,
    image: str,
    node: Json,
    rng: random.Random,
    now_ms: int,
    *,
    project: str = "",
    service: str = "",
    ordinal: int,
) -> Json:
    return {
        "id": f"{rng.getrandbits(256):064x}",
        "name": name,
        "image": image,
        "state": "running",
        "status": f"Up {1 + ordinal % 9} hours" + (" (healthy)" if project else ""),
        "health": "healthy" if project else "",
        "created_at_ms": now_ms - 3_600_000 * (1 + ordinal % 9),
        "project": project,
        "service": service,
        "revision": 4 if project == "shop" else 0,
        "is_managed": project == "shop",
        "ports": [],
        "labels": {},
        "cpu_percent": round(rng.expovariate(0.12), 2),
        "memory_bytes": int(rng.uniform(12, 900) * MIB),
        "memory_limit_bytes": GIB if ordinal % 3 else None,
        "node_id": node["id"],
        "node_name": node["name"],
        "age_ms": 800,
    }


def _spoil(scene: Scene) -> None:
    """Not everything runs well."""
    changes: tuple[tuple[str, Json], ...] = (
        ("media-worker-2", {"health": "unhealthy", "status": "Up 4 minutes (unhealthy)"}),
        ("batch-0-3", {"state": "exited", "health": "", "status": "Exited (0) 2 hours ago"}),
        ("batch-0-7", {"state": "exited", "health": "", "status": "Exited (137) 11 minutes ago"}),
        ("batch-0-9", {"state": "restarting", "health": "", "status": "Restarting (1) 5 seconds ago"}),
        ("tower-shop.web-4-5", {"health": "starting", "status": "Up 3 seconds (health: starting)"}),
        ("batch-0-11", {"state": "paused", "status": "Up 2 hours (Paused)", "health": ""}),
    )
    for name, change in changes:
        scene.container(name).update(change)
    for container in scene.containers:
        if container["state"] == "exited":
            container.update(cpu_percent=None, memory_bytes=None)


def _count(scene: Scene) -> None:
    for node in scene.nodes:
        own = [each for each in scene.containers if each["node_id"] == node["id"]]
        node["containers"] = {"running": sum(each["state"] == "running" for each in own), "total": len(own)}


def _live(node: Json, containers: list[Json], now_ms: int, *, slots: int = SLOTS) -> Json:
    rng = random.Random(node["name"])
    base = rng.uniform(12, 45)
    cpu: list[float | None] = []
    memory: list[float | None] = []
    level = base
    used = rng.uniform(0.3, 0.6) * 16 * GIB
    for slot in range(slots):
        level = max(
            2.0,
            min(
                98.0,
                level
                + rng.gauss(0, 4)
                + (base - level) * 0.15
                + (38 if slot in (31, 32, 33) else 0) * rng.random(),
            ),
        )
        used += rng.gauss(0, 40) * MIB
        cpu.append(round(level, 2))
        memory.append(float(int(used)))
    if slots == SLOTS and node["name"] == "h2":
        cpu[14:17] = [None, None, None]
        memory[14:17] = [None, None, None]
    series: list[Json] = [
        {"subject": "host", "metric": "cpu_percent", "values": cpu},
        {"subject": "host", "metric": "memory_bytes", "values": memory},
        {"subject": "host", "metric": "memory_limit_bytes", "values": [float(16 * GIB)] * slots},
    ]
    for container in containers:
        if container["cpu_percent"] is None:
            continue
        now = container["cpu_percent"]
        values: list[float | None] = []
        level = now
        for _ in range(slots - 1):
            level = max(0.0, level + rng.gauss(0, now * 0.12) + (now - level) * 0.2)
            values.append(round(level, 2))
        series.append({"subject": container["id"], "metric": "cpu_percent", "values": [*values, now]})
    newest_ms = now_ms // SLOT_MS * SLOT_MS
    return {
        "node_id": node["id"],
        "times_ms": [newest_ms - (slots - 1 - slot) * SLOT_MS for slot in range(slots)],
        "series": series,
    }


def _service(
    service_id: str,
    wanted: int,
    ready: int,
    *,
    revision: int,
    image: str,
    now_ms: int,
    route: str = "",
    status: str = "running",
    rollout: str | None = None,
) -> Json:
    project, name = service_id.split(".")
    return {
        "id": service_id,
        "project": project,
        "name": name,
        "status": status,
        "replicas_wanted": wanted,
        "replicas_ready": ready,
        "revision": revision,
        "stable_revision": revision - 1 if rollout else revision,
        "image": image,
        "digest": "sha256:" + "0" * 64,
        "nodes": ["h1", "h2", "h3"],
        "routes": [route] if route else [],
        "serving": [_served(revision, image, ready, permille=1000 if route else None)],
        "troubles": [],
        "rollout_id": rollout,
        "version": 12,
        "created_at_ms": now_ms - 86_400_000,
        "changed_at_ms": now_ms - 74_000,
        "strategy": "rolling",
        "kept": None,
        "adopted": 0,
    }


def _served(revision: int, image: str, replicas: int, *, permille: int | None) -> Json:
    return {
        "revision": revision,
        "image": image,
        "digest": "sha256:" + "0" * 64,
        "replicas": replicas,
        "nodes": ["h1", "h2", "h3"],
        "permille": permille,
    }


def _rollout(
    rollout_id: str,
    service_id: str,
    old: int,
    new: int,
    phase: str,
    progress: str,
    *,
    done: int,
    total: int,
    at_ms: int,
    reason: str = "",
) -> Json:
    is_over = phase not in ("running", "paused", "rolling-back")
    return {
        "id": rollout_id,
        "service_id": service_id,
        "from_revision": old,
        "to_revision": new,
        "phase": phase,
        "progress": progress,
        "reason": reason,
        "failures": 1 if reason else 0,
        "started_at_ms": at_ms,
        "changed_at_ms": at_ms + 20_000,
        "ended_at_ms": at_ms + 20_000 if is_over else None,
        "deadline_ms": at_ms + 600_000,
        "replicas": [
            {
                "ordinal": ordinal,
                "phase": "done" if ordinal < done else "starting" if ordinal == done else "waiting",
                "reason": "warming up: /up answers 503" if ordinal == done else "",
                "node_id": None,
                "node_name": f"h{1 + ordinal % 3}",
                "old_node_id": None,
                "old_node_name": f"h{1 + (ordinal + 1) % 3}",
                "old_revision": old,
                "attempts": 1,
            }
            for ordinal in range(total)
        ],
        "strategy": "rolling",
        "aim": "deploy",
        "is_unjudged": False,
        "asked_by": "deploy-bot",
        "stage": None,
        "split": None,
        "behaviour": None,
        "verdict": "",
        "steering": None,
        "paused_at_ms": None,
        "can": [] if is_over else ["pause", "abort"],
        "hooks": [],
        "limits": [],
    }


def _audit(
    sequence: int, at_ms: int, actor: str, action: str, resource: str, outcome: str, *, reason: str = ""
) -> Json:
    return {
        "sequence": sequence,
        "at_ms": at_ms,
        "actor": actor,
        "actor_id": f"us-{actor}",
        "action": action,
        "resource": resource,
        "decision": "denied" if outcome == "denied" else "allowed",
        "outcome": outcome,
        "reason": reason,
        "command": "",
        "ip": "10.77.0.9",
        "user_agent": "",
        "duration_ms": 3,
        "request_id": f"rq-{sequence}",
        "node": "h1",
        "count": 1,
    }


def _log_text(number: int) -> str:
    if number % 17 == 0:
        return f"\x1b[33mWARN\x1b[0m upstream answered slowly: 812 ms for /basket/{number} (budget 500 ms)"
    if number % 41 == 0:
        return "\x1b[31mERROR\x1b[0m payment provider refused the connection; retrying in 2 s"
    sent, took_ms = 400 + number * 13 % 900, 3 + number % 11
    return f'\x1b[32mINFO\x1b[0m "GET /products/{number * 37 % 991} HTTP/1.1" 200 {sent} {took_ms} ms'
