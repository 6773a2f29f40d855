"""A stand-in for a host's web server: a scene over HTTP and WebSocket, and the built dashboard.

Tests start one beside the browser. For working on the dashboard, with `npm run dev` or on its own:

    python -m tests.e2e.stub_server --scene three --port 8900
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import mimetypes
import random
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from pathlib import Path

from aiohttp import WSMsgType, web

from agent.clock import SystemClock
from cluster.model.access import Role
from tests.e2e.scenes import SCENES, SLOT_MS, Json, Scene, me
from tests.e2e.stub_assistant import StubAssistant
from tests.support.threaded_server import in_a_thread, listening

STATIC = Path(__file__).resolve().parent.parent.parent / "web" / "static"
PASSWORD = "correct horse battery"
PULSE_S = 2.0
SETUP_TOKEN = "setup-token-of-the-stub"
CSRF = "csrf-of-the-stub"
_SESSION = "stub_session"
_ROLES = {"ada": Role.ADMIN, "otto": Role.OPERATOR, "vera": Role.VIEWER}

# What the page must live with: nothing inline, nothing from elsewhere.
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


NOTHING: Mapping[str, Json] = {"GET /plans": {"items": [], "next_cursor": None}}
"""What every scene answers that does not say otherwise, because the frame of every page asks for it."""


class StubServer:
    """Serves `scene`. Only its own thread touches the scene: tests go through `change`."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self.assistant = StubAssistant(scene.now_ms)
        self.requests: Counter[str] = Counter()
        self.acts: list[tuple[str, str]] = []
        self.bodies: list[tuple[str, Json]] = []
        self.is_session_expired = False
        self.is_refusing_sockets = False
        self._silence = asyncio.Event()
        self._silence.set()
        self._sockets: set[web.WebSocketResponse] = set()
        self._log_queues: set[asyncio.Queue[Json]] = set()
        self._loop: asyncio.AbstractEventLoop | None = None

    # ---- what tests do, from their thread

    def change(self, change: Callable[[Scene], None], *topics: str) -> None:
        """Change the scene, and tell the pages that `topics` did."""

        async def apply() -> None:
            change(self.scene)
            for topic in topics:
                await self._push(topic)

        self._run(apply())

    def tell(self, *parts: Json | None) -> None:
        """Have the assistant go on with its answer."""
        self.change(lambda _: self.assistant.tell(*parts))

    def write_log(self, text: str, *, stream: str = "stdout") -> None:
        """Have every container that is being followed write a line."""

        async def write() -> None:
            line = {"stream": stream, "at_ms": self.scene.now_ms + len(self.scene.log_lines), "text": text}
            self.scene.log_lines.append(line)
            for queue in self._log_queues:
                queue.put_nowait(line)

        self._run(write())

    def cut_sockets(self, *, refuse: bool) -> None:
        """End every live connection, and take no new one while `refuse`."""

        async def cut() -> None:
            self.is_refusing_sockets = refuse
            for socket in list(self._sockets):
                await socket.close()

        self._run(cut())

    def fall_silent(self) -> None:
        """Say nothing and answer nothing more, as after a power cut; connections stay open."""
        self._silence.clear()

    def answer_again(self) -> None:
        """Go on, with what was asked meanwhile too."""
        assert self._loop is not None, "the server runs"
        self._loop.call_soon_threadsafe(self._silence.set)

    def _run(self, work: Awaitable[None]) -> None:
        assert self._loop is not None, "the server runs"

        async def run() -> None:
            await work

        asyncio.run_coroutine_threadsafe(run(), self._loop).result(timeout=10)

    # ---- serving

    def app(self) -> web.Application:
        app = web.Application(middlewares=[self._guard])
        api = "/api/v1"
        app.router.add_get(f"{api}/setup", self._setup_needed)
        app.router.add_post(f"{api}/setup", self._set_up)
        app.router.add_get(f"{api}/auth/providers", self._login_providers)
        app.router.add_post(f"{api}/auth/login", self._log_in)
        app.router.add_post(f"{api}/auth/refresh", self._refresh)
        app.router.add_post(f"{api}/auth/logout", self._log_out)
        app.router.add_get(f"{api}/auth/me", self._me)
        app.router.add_get(f"{api}/health", self._health)
        app.router.add_get(f"{api}/cluster", self._cluster)
        app.router.add_get(f"{api}/containers", self._containers)
        app.router.add_post(f"{api}/containers/{{ref}}/{{verb}}", self._act)
        app.router.add_delete(f"{api}/containers/{{ref}}", self._act)
        app.router.add_get(f"{api}/logs/{{ref}}", self._logs)
        app.router.add_get(f"{api}/services", self._services)
        app.router.add_get(f"{api}/rollouts", self._rollouts)
        app.router.add_post(f"{api}/rollouts/{{ref}}/{{verb}}", self._steer)
        app.router.add_post(f"{api}/services/{{ref}}/{{verb}}", self._change_service)
        app.router.add_get(f"{api}/alerts", self._alerts)
        app.router.add_get(f"{api}/audit", self._audit)
        app.router.add_get(f"{api}/metrics/live", self._metrics)
        app.router.add_get(f"{api}/live", self._live)
        app.router.add_get(f"{api}/uptime", self._uptime)
        app.router.add_get(f"{api}/auth/providers", self._nothing)
        app.router.add_get(f"{api}/users", self._nothing)
        app.router.add_get(f"{api}/webhooks", self._nothing)
        app.router.add_get(f"{api}/metrics/history", self._no_history)
        self.assistant.add_routes(app.router, api)
        app.router.add_route("*", f"{api}/{{path:.*}}", self._other)
        app.router.add_get("/{path:.*}", self._static)
        return app

    @web.middleware
    async def _guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        self.requests[f"{request.method} {request.path}"] += 1
        await self._silence.wait()
        path = request.path.removeprefix("/api/v1")
        is_open = (
            not request.path.startswith("/api/")
            or path in ("/setup", "/health", "/auth/providers")
            or path.startswith("/auth/login")
        )
        if not is_open and path != "/auth/refresh":
            if self._role(request) is None or self.is_session_expired:
                return problem(request, 401, "not-authenticated", "Not logged in", "this needs a login")
            if request.method not in ("GET", "HEAD") and request.headers.get("X-CSRF-Token") != CSRF:
                return problem(request, 403, "forbidden", "Not allowed", "the CSRF token is missing")
        response = await handler(request)
        if not response.prepared:
            response.headers["Content-Security-Policy"] = CONTENT_SECURITY_POLICY
            response.headers["X-Content-Type-Options"] = "nosniff"
        return response

    def _role(self, request: web.Request) -> Role | None:
        return _ROLES.get(request.cookies.get(_SESSION, ""))

    async def _cluster(self, request: web.Request) -> web.Response:
        return web.json_response(self.scene.cluster)

    async def _services(self, request: web.Request) -> web.Response:
        return web.json_response(_page(self.scene.services))

    async def _rollouts(self, request: web.Request) -> web.Response:
        return web.json_response(_page(self.scene.rollouts))

    async def _steer(self, request: web.Request) -> web.Response:
        verb = request.match_info["verb"]
        refusal = self._refusal(request, f"rollout.{verb}")
        if refusal is not None:
            return refusal
        rollout = next(each for each in self.scene.rollouts if each["id"] == request.match_info["ref"])
        if verb not in rollout["can"]:
            detail = f"rollout {rollout['id']} of {rollout['service_id']}: {verb} cannot be asked of it now"
            return problem(request, 409, "conflict", "Not possible as things are", detail)
        self.acts.append((verb, rollout["service_id"]))
        phases = {"pause": "paused", "resume": "running", "abort": "rolling-back"}
        rollout["phase"] = phases.get(verb, "running")
        can = {"pause": ["resume", "abort"], "abort": []}
        rollout["can"] = can.get(verb, ["pause", "abort"])
        await self._push("services")
        return web.json_response(rollout, status=202)

    async def _change_service(self, request: web.Request) -> web.Response:
        verb = request.match_info["verb"]
        refusal = self._refusal(request, f"service.{verb}")
        if refusal is not None:
            return refusal
        service = next(each for each in self.scene.services if each["id"] == request.match_info["ref"])
        self.acts.append((verb, service["id"]))
        changed = {
            "service_id": service["id"],
            "revision": service["revision"],
            "version": service["version"] + 1,
            "rollout_id": None,
            "done": f"{service['id']} goes back to revision 3, which still runs",
            "next": "",
        }
        return web.json_response(changed, status=202)

    def _refusal(self, request: web.Request, action: str) -> web.Response | None:
        role = self._role(request)
        assert role is not None
        if action in me(role)["permissions"]:
            return None
        detail = f"{action} needs role operator; this is a {role}"
        return problem(request, 403, "forbidden", "Not allowed", detail)

    async def _metrics(self, request: web.Request) -> web.Response:
        return web.json_response(self.scene.metrics)

    async def _setup_needed(self, request: web.Request) -> web.Response:
        return web.json_response({"is_needed": not self.scene.is_set_up})

    async def _set_up(self, request: web.Request) -> web.Response:
        body = await request.json()
        if body["token"] != SETUP_TOKEN:
            return problem(
                request,
                403,
                "forbidden",
                "Not allowed",
                "the setup token is wrong",
                hint="`tower setup-token` makes a new one",
            )
        if len(body["password"]) < 12:
            error = {
                "field": "password",
                "value": None,
                "rule": "has fewer than 12 characters",
                "hint": "use four unrelated words",
            }
            return problem(
                request,
                422,
                "invalid",
                "Something in the request is not right",
                "password: too short",
                errors=[error],
            )
        self.scene.is_set_up = True
        _ROLES[body["name"]] = Role.ADMIN
        return web.json_response({"id": "us-1", "name": body["name"], "role": "admin"}, status=201)

    async def _login_providers(self, _: web.Request) -> web.Response:
        return web.json_response([])

    async def _log_in(self, request: web.Request) -> web.Response:
        body = await request.json()
        role = _ROLES.get(body["name"])
        if role is None or body["password"] != PASSWORD:
            return problem(
                request,
                401,
                "not-authenticated",
                "Not logged in",
                "the name or the password is wrong",
                hint="check both, and whether Caps Lock is on",
            )
        account = me(role)
        response = web.json_response(
            {key: account[key] for key in ("principal_id", "name", "role", "csrf_token")}
        )
        response.set_cookie(_SESSION, body["name"], httponly=True, samesite="Strict")
        self.is_session_expired = False
        return response

    async def _refresh(self, request: web.Request) -> web.Response:
        if self._role(request) is None:
            return problem(
                request, 401, "not-authenticated", "Not logged in", "there is no refresh token", hint="log in"
            )
        self.is_session_expired = False
        return web.json_response({"csrf_token": CSRF})

    async def _log_out(self, request: web.Request) -> web.Response:
        response = web.Response(status=204)
        response.del_cookie(_SESSION)
        return response

    async def _me(self, request: web.Request) -> web.Response:
        role = self._role(request)
        assert role is not None
        return web.json_response({**me(role), "name": request.cookies[_SESSION]})

    async def _health(self, request: web.Request) -> web.Response:
        cluster = self.scene.cluster
        return web.json_response(
            {
                "status": "ready",
                "node_id": cluster["node_id"],
                "version": cluster["version"],
                "leader_id": cluster["leader_id"],
                "applied_index": cluster["applied_index"],
                "age_ms": cluster["age_ms"],
            }
        )

    async def _containers(self, request: web.Request) -> web.Response:
        limit = int(request.query.get("limit", "200"))
        start = int(request.query.get("cursor", "0"))
        items = self.scene.containers[start : start + limit]
        more = start + limit < len(self.scene.containers)
        return web.json_response(
            {
                "items": items,
                "next_cursor": str(start + limit) if more else None,
                "problems": self.scene.problems,
            }
        )

    async def _act(self, request: web.Request) -> web.Response:
        verb = request.match_info.get("verb", "remove")
        role = self._role(request)
        assert role is not None
        if f"container.{verb}" not in me(role)["permissions"]:
            return problem(
                request,
                403,
                "forbidden",
                "Not allowed",
                f"container.{verb} needs role operator; this is a {role}",
            )
        container = next(each for each in self.scene.containers if each["id"] == request.match_info["ref"])
        self.acts.append((verb, container["name"]))
        changes = {
            "stop": {"state": "exited", "health": "", "status": "Exited (0) 1 second ago"},
            "start": {"state": "running", "health": "", "status": "Up 1 second"},
            "restart": {"state": "running", "status": "Up 1 second"},
            "unpause": {"state": "running", "status": "Up 2 hours"},
        }
        if verb == "remove":
            self.scene.containers.remove(container)
        container.update(changes.get(verb, {}))
        await self._push("containers")
        note = ""
        if container["is_managed"]:
            note = f"it belongs to service {container['service']}, which brings its replicas back by itself"
        acted = {key: container[key] for key in ("id", "name", "node_id", "node_name")}
        return web.json_response({**acted, "action": verb, "note": note})

    async def _audit(self, request: web.Request) -> web.Response:
        if self._role(request) is not Role.ADMIN:
            return problem(
                request, 403, "forbidden", "Not allowed", "audit.read needs role admin; this is a viewer"
            )
        return web.json_response(_page(self.scene.audit))

    async def _uptime(self, request: web.Request) -> web.Response:
        """Every project was up all day, but for an hour of the first one."""
        stretches = int(request.query["stretches"])
        projects = sorted({each["project"] for each in self.scene.containers if each["project"]})
        groups = []
        for place, name in enumerate(projects):
            course = [0.0 if place == 0 and stretch in (9, 10) else 1.0 for stretch in range(stretches)]
            up = sum(course) / stretches
            groups.append({"kind": "project", "name": name, "up": up, "known": 1.0, "course": course})
        end_ms = self.scene.now_ms
        return web.json_response({"start_ms": end_ms - 86_400_000, "end_ms": end_ms, "groups": groups})

    async def _nothing(self, request: web.Request) -> web.Response:
        """Lists of things this scene has none of."""
        return web.json_response(_page([]))

    async def _no_history(self, request: web.Request) -> web.Response:
        """Nothing of what was asked for was measured."""
        end_ms = self.scene.now_ms
        return web.json_response(
            {
                "start_ms": end_ms - 600_000,
                "end_ms": end_ms,
                "step_ms": 10_000,
                "resolution": "raw",
                "aggregation": None,
                "times_ms": [],
                "series": [],
                "series_left_out": 0,
                "notes": [],
            }
        )

    async def _alerts(self, request: web.Request) -> web.Response:
        return web.json_response(_page(self.scene.alerts))

    async def _logs(self, request: web.Request) -> web.StreamResponse:
        lines = [
            line for line in self.scene.log_lines if line["at_ms"] >= int(request.query.get("since", "0"))
        ]
        response = web.StreamResponse(headers={"Content-Type": "application/x-ndjson"})
        await response.prepare(request)
        queue: asyncio.Queue[Json] = asyncio.Queue()
        self._log_queues.add(queue)
        try:
            tail = int(request.query.get("tail", "100"))
            for line in lines[-tail:]:
                await response.write(json.dumps(line).encode() + b"\n")
            while request.query.get("follow") == "true":
                await response.write(json.dumps(await queue.get()).encode() + b"\n")
        finally:
            self._log_queues.discard(queue)
        return response

    async def _live(self, request: web.Request) -> web.StreamResponse:
        if self.is_refusing_sockets:
            return web.Response(status=503)
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        self._sockets.add(socket)
        try:
            async with asyncio.TaskGroup() as tasks:
                pulse = tasks.create_task(self._keep_alive(socket), name="stub-pulse")
                async for message in socket:
                    if message.type is not WSMsgType.TEXT:
                        break
                    for topic in message.json()["subscribe"]:
                        await socket.send_json(self._snapshot(topic))
                pulse.cancel()
        finally:
            self._sockets.discard(socket)
        return socket

    async def _keep_alive(self, socket: web.WebSocketResponse) -> None:
        with contextlib.suppress(ConnectionError):
            while True:
                await asyncio.sleep(PULSE_S)
                await self._silence.wait()
                await socket.send_json({"heartbeat": self.scene.now_ms})

    def _snapshot(self, topic: str) -> Json:
        scene = self.scene
        data: dict[str, object] = {
            "alerts": {"items": scene.alerts},
            "cluster": scene.cluster,
            "metrics": scene.metrics,
            "services": {"items": scene.services, "rollouts": scene.rollouts},
            "containers": {"items": scene.containers, "problems": scene.problems},
            "plans": {"items": []},
        }
        return {"topic": topic, "data": data[topic]}

    async def _push(self, topic: str) -> None:
        for socket in list(self._sockets):
            with contextlib.suppress(ConnectionError):
                await socket.send_json(self._snapshot(topic))

    async def _other(self, request: web.Request) -> web.StreamResponse:
        """What the scene answers as it stands, for pages whose server has no life of its own here."""
        path = "/" + request.match_info["path"]
        if request.can_read_body:
            self.bodies.append((f"{request.method} {path}", await request.json()))
        answer = self.scene.answers.get(f"{request.method} {path}", NOTHING.get(f"{request.method} {path}"))
        if answer is None:
            return problem(request, 404, "not-found", "Not found", f"there is no {path}")
        return web.json_response(answer)

    async def _static(self, request: web.Request) -> web.StreamResponse:
        file = (STATIC / request.match_info["path"]).resolve()
        if not file.is_relative_to(STATIC) or not file.is_file():
            file = STATIC / "index.html"
        # Whole, and not as a stream of the file: a page that is left meanwhile would leave that open.
        content_type = mimetypes.guess_type(file.name)[0] or "application/octet-stream"
        return web.Response(body=file.read_bytes(), content_type=content_type)

    @contextlib.contextmanager
    def running(self, port: int = 0) -> Iterator[str]:
        """Serve in a thread of its own; gives the address."""

        @contextlib.asynccontextmanager
        async def serve() -> AsyncIterator[str]:
            self._loop = asyncio.get_running_loop()
            runner = web.AppRunner(self.app(), shutdown_timeout=0.5, handler_cancellation=True)
            async with listening(runner, port=port, leave=self._close_sockets) as address:
                yield address

        with in_a_thread(serve, name="stub-server", start_timeout_s=10.0) as (address, _):
            yield address

    async def _close_sockets(self) -> None:
        for socket in list(self._sockets):
            await socket.close()


def problem(
    request: web.Request,
    status: int,
    kind: str,
    title: str,
    detail: str,
    *,
    hint: str = "",
    errors: list[Json] | None = None,
) -> web.Response:
    """Return a refusal as the product writes it."""
    body = {
        "type": f"urn:tower:problem:{kind}",
        "title": title,
        "status": status,
        "detail": detail,
        "instance": request.path,
        "request_id": "rq-stub",
        **({"hint": hint} if hint else {}),
        **({"errors": errors} if errors else {}),
    }
    return web.json_response(body, status=status, content_type="application/problem+json")


def _page(items: list[Json]) -> Json:
    return {"items": items, "next_cursor": None}


def _go_on(scene: Scene, rng: random.Random) -> None:
    """One second of a living cluster."""
    scene.now_ms += 1_000
    for node in scene.nodes:
        if node["status"] == "up":
            node["last_seen_ms"] = scene.now_ms - rng.randrange(400)
    for host in scene.metrics:
        is_new = scene.now_ms - host["times_ms"][-1] >= SLOT_MS
        if is_new:
            host["times_ms"] = [*host["times_ms"][1:], host["times_ms"][-1] + SLOT_MS]
        for series in host["series"]:
            last = series["values"][-1]
            value = (
                last
                if last is None or series["metric"].endswith("limit_bytes")
                else last * rng.uniform(0.93, 1.07)
            )
            if is_new:
                series["values"] = [*series["values"][1:], value]


def main() -> None:
    parser = argparse.ArgumentParser(description="serve a scene to the dashboard")
    parser.add_argument("--scene", choices=sorted(SCENES), default="three")
    parser.add_argument("--port", type=int, default=8900)
    arguments = parser.parse_args()
    scene = SCENES[arguments.scene](SystemClock().now_ms())
    server = StubServer(scene)
    rng = random.Random(1)
    with server.running(arguments.port) as address, contextlib.suppress(KeyboardInterrupt):
        sys.stdout.write(f"{address}: ada (admin), otto (operator), vera (viewer); password: {PASSWORD}\n")
        while True:
            time.sleep(1)
            server.change(lambda scene: _go_on(scene, rng), "cluster", "metrics")


if __name__ == "__main__":
    main()
