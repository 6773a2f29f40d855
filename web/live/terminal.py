"""GET /api/v1/containers/{container}/exec: a command in a container, over a WebSocket.

The first message of the client says which, as JSON:

    {"command": [words], "user": "", "working_dir": "", "tty": false, "columns": 80, "rows": 24}

all of it with defaults; no command is the best shell the container has. It is not in the address, which
proxies log. The server answers `{"begun": {"id", "name", "node_name"}}`. Binary messages of the client are
input as it is; those of the server begin with a byte, 1 for standard output and 2 for standard error. Text
messages of the client are `{"columns", "rows"}` and `{"end_of_input": true}`. Last the server says
`{"exit_code": number or null}`, or `{"problem": problem document}` when there is none or it broke off.
Closing codes: 1000 it ended, 4401 the login is over, 4403 it is not allowed any more, 4408 nothing was said
for too long, 1001 the agent stops.
"""

from __future__ import annotations

import asyncio
import json
import socket as sockets
from typing import Annotated, NoReturn

from aiohttp import WSCloseCode, WSMsgType, web
from pydantic import BaseModel, Field, StringConstraints, ValidationError

from cluster.model.container_access import ExecRequest, ExecStream, path_problem
from cluster.model.inventory import HostRefused, HostUnavailable
from web.auth.problems import Problem, invalid
from web.middleware.errors import problem_of
from web.middleware.keys import AUTHENTICATOR, CALL, STOPPING, TERMINALS
from web.middleware.routes import API, Route, needs
from web.tools.container_access import Terminal, open_terminal
from web.tools.context import CONTEXT
from web.tools.targets import container_target
from web.tools.validation import problem_of_validation

LOGIN_OVER = 4401
NOT_ALLOWED = 4403
IDLE = 4408
MESSAGE_BYTES_MAX = 256 * 1024
COMMAND_WORDS_MAX = 1000
SIZE_MAX = 2000
_KINDS = {ExecStream.STDOUT: b"\x01", ExecStream.STDERR: b"\x02"}
_PROBE_AFTER_S = 15

_Word = Annotated[str, StringConstraints(max_length=128 * 1024, pattern=r"^[^\x00]*$")]
_Short = Annotated[str, StringConstraints(max_length=128, pattern=r"^[^\x00-\x1f\x7f]*$")]


class Beginning(BaseModel, extra="forbid"):
    """What is to be run."""

    command: list[_Word] = Field(default=[], max_length=COMMAND_WORDS_MAX, repr=False)
    user: _Short = ""
    working_dir: str = ""
    tty: bool = False
    columns: int = Field(default=80, ge=1, le=SIZE_MAX)
    rows: int = Field(default=24, ge=1, le=SIZE_MAX)


class Control(BaseModel, extra="forbid"):
    """What a client says beside its input."""

    columns: int | None = Field(default=None, ge=1, le=SIZE_MAX)
    rows: int | None = Field(default=None, ge=1, le=SIZE_MAX)
    end_of_input: bool = False


class _Closed(Exception):
    """The connection is to be closed with this code and reason."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


async def serve(request: web.Request) -> web.StreamResponse:
    """Answer a WebSocket for as long as its command runs. Raises Problem for what is none."""
    # No heartbeats: they are read by whoever reads the rest, and a person who has stopped the output would
    # pass for dead. The kernel asks instead.
    socket = web.WebSocketResponse(max_msg_size=MESSAGE_BYTES_MAX)
    if not socket.can_prepare(request).ok:
        raise Problem("bad-request", "this address is a WebSocket's", hint="connect with wss://")
    terminals = request.app[TERMINALS]
    if terminals.locked():
        raise Problem(
            "unavailable",
            "as many commands run in containers through this host as may",
            hint="end one of them, or ask another host",
            retry_after_s=10,
        )
    async with terminals:
        await socket.prepare(request)
        _watch(request)
        try:
            wanted = await _beginning(request, socket)
            async with open_terminal(
                request.app[CONTEXT],
                request[CALL],
                request.match_info["container"],
                wanted,
                node=request.query.get("node", "")[:256],
            ) as terminal:
                await _Connection(request, socket, terminal).live()
        except (ConnectionError, _Closed):
            # The client is gone already, or was told.
            pass
        except Exception as error:
            await _tell_problem(request, socket, problem_of(error, request_id=request[CALL].request_id))
    if not socket.closed:
        await socket.close()
    return socket


def routes() -> tuple[Route, ...]:
    """Return the route of the socket."""
    return (
        Route(
            method="GET",
            path=f"{API}/containers/{{container}}/exec",
            handler=serve,
            access=needs("container.exec"),
            body_bytes_max=0,
        ),
    )


class _Connection:
    """One command and its caller: bytes both ways, and whether the caller still may."""

    def __init__(self, request: web.Request, socket: web.WebSocketResponse, terminal: Terminal) -> None:
        self._request = request
        self._context = request.app[CONTEXT]
        self._socket = socket
        self._terminal = terminal
        self._moved_s = self._now_s()

    async def live(self) -> None:
        """Return when the command has ended or its caller is gone. Raises HostUnavailable or HostRefused."""
        container = self._terminal.container
        begun = {"id": container.id, "name": container.name, "node_name": container.node_name}
        await self._socket.send_json({"begun": begun})
        closing: _Closed | None = None
        broken: Exception | None = None
        try:
            async with asyncio.TaskGroup() as tasks:
                beside = (
                    tasks.create_task(self._listen(), name="terminal-input"),
                    tasks.create_task(self._watch(), name="terminal-watch"),
                )
                await self._tell()
                for task in beside:
                    task.cancel()
        except* _Closed as group:
            (closing, *_) = [error for error in group.exceptions if isinstance(error, _Closed)]
        except* (HostUnavailable, HostRefused) as group:
            broken = group.exceptions[0]
        except* ConnectionError:
            # The caller is gone.
            pass
        if broken is not None:
            self._terminal.ended = str(broken)
            raise broken
        if closing is not None:
            self._terminal.ended = closing.reason or self._terminal.ended
            if not self._socket.closed:
                await self._socket.close(code=closing.code, message=closing.reason.encode()[:120])

    async def _tell(self) -> None:
        """Send what the command writes, and what it ended with."""
        session = self._terminal.session
        async for piece in session.output():
            self._moved_s = self._now_s()
            await self._socket.send_bytes(_KINDS[piece.stream] + piece.data)
        code = await session.exit_code()
        self._terminal.ended = "exit code unknown" if code is None else f"exit code {code}"
        await self._socket.send_json({"exit_code": code})

    async def _listen(self) -> NoReturn:
        """Give the command what its caller sends, until the caller closes."""
        session = self._terminal.session
        async for message in self._socket:
            self._moved_s = self._now_s()
            if message.type is WSMsgType.BINARY:
                await session.write(message.data)
                continue
            if message.type is not WSMsgType.TEXT:
                break
            try:
                control = Control.model_validate_json(message.data)
            except ValidationError as error:
                raise _Closed(WSCloseCode.POLICY_VIOLATION, "a message that says nothing") from error
            if control.columns is not None and control.rows is not None:
                await session.resize(columns=control.columns, rows=control.rows)
            if control.end_of_input:
                await session.close_input()
        raise _Closed(WSCloseCode.OK, "its caller left")

    async def _watch(self) -> NoReturn:
        """End it when the agent stops, the caller may no longer, or nobody says anything."""
        pace = self._context.pace
        stopping = self._request.app[STOPPING]
        call = self._request[CALL]
        target = container_target(self._terminal.container)
        while True:
            try:
                async with asyncio.timeout(pace.pulse_s):
                    await stopping.wait()
                raise _Closed(WSCloseCode.GOING_AWAY, "this host's agent is stopping")
            except TimeoutError:
                pass
            refused = self._request.app[AUTHENTICATOR].recheck(call.known())
            if refused is not None:
                raise _Closed(LOGIN_OVER, refused)
            forbidden = self._context.authority.still(call, "container.exec", target)
            if forbidden is not None:
                raise _Closed(NOT_ALLOWED, forbidden)
            if self._now_s() - self._moved_s > pace.terminal_idle_s:
                raise _Closed(IDLE, f"nothing was said for {pace.terminal_idle_s / 60:.0f} minutes")

    def _now_s(self) -> float:
        return self._context.surroundings.clock.monotonic_s()


async def _beginning(request: web.Request, socket: web.WebSocketResponse) -> ExecRequest:
    """Return what the client says is to be run. Raises Problem, or _Closed when it has left."""
    pace = request.app[CONTEXT].pace
    try:
        async with asyncio.timeout(pace.terminal_begin_s):
            message = await socket.receive()
    except TimeoutError as error:
        raise Problem("too-slow", f"no command was said within {pace.terminal_begin_s:g} s") from error
    if message.type in (WSMsgType.CLOSE, WSMsgType.CLOSING, WSMsgType.CLOSED, WSMsgType.ERROR):
        raise _Closed(WSCloseCode.OK, "")
    if message.type is not WSMsgType.TEXT:
        raise Problem("bad-request", 'the first message is {"command": [...], "tty": true, ...}')
    try:
        wanted = Beginning.model_validate_json(message.data)
    except ValidationError as error:
        raise problem_of_validation(error, known=tuple(Beginning.model_fields)) from error
    if wanted.working_dir and path_problem(wanted.working_dir):
        raise invalid("working_dir", path_problem(wanted.working_dir))
    return ExecRequest(
        command=tuple(wanted.command),
        user=wanted.user,
        working_dir=wanted.working_dir,
        has_terminal=wanted.tty,
        columns=wanted.columns,
        rows=wanted.rows,
    )


async def _tell_problem(request: web.Request, socket: web.WebSocketResponse, problem: Problem) -> None:
    document = problem.to_json(instance=request.path, request_id=request[CALL].request_id)
    if not socket.closed:
        await socket.send_str(json.dumps({"problem": document}))
        await socket.close(code=WSCloseCode.POLICY_VIOLATION, message=problem.title.encode()[:120])


def _watch(request: web.Request) -> None:
    """Have the kernel notice within half a minute that the client is gone without a word."""
    connection = None if request.transport is None else request.transport.get_extra_info("socket")
    if connection is not None and connection.family in (sockets.AF_INET, sockets.AF_INET6):
        connection.setsockopt(sockets.SOL_SOCKET, sockets.SO_KEEPALIVE, 1)
        connection.setsockopt(sockets.IPPROTO_TCP, sockets.TCP_KEEPIDLE, _PROBE_AFTER_S)
        connection.setsockopt(sockets.IPPROTO_TCP, sockets.TCP_KEEPINTVL, 5)
        connection.setsockopt(sockets.IPPROTO_TCP, sockets.TCP_KEEPCNT, 3)
