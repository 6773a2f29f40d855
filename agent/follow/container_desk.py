"""What is asked of this host's containers from near: commands, files, settings, successors."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace

from agent.clock import Clock
from agent.execute.replacement_intents import ReplacementIntents
from agent.execute.replacing import Replacing
from agent.follow.engine_failures import engine_failures
from agent.ports import (
    ContainerEngine,
    EngineError,
    EngineRefused,
    EngineUnavailable,
    RegistryAuth,
)
from agent.ports.access import ContainerAccess
from cluster.model.container_access import (
    ContainerSettings,
    ExecOutput,
    ExecRequest,
    ExecSession,
    FileListing,
    FileReading,
    FileWrite,
    LimitChanges,
    ProcessTable,
    ReplacementChanges,
    ReplacementPlan,
    ReplacementStep,
    path_problem,
)
from cluster.model.inventory import Caller, HostRefused, HostUnavailable

log = logging.getLogger(__name__)

COMMANDS_MAX = 32
TRANSFERS_MAX = 16
SHELL_TIMEOUT_S = 10.0
SETTLE_AGAIN_S = 5.0
STEPS_MAX = 64
MASK = "••••••"
_SHELLS = "command -v bash || command -v zsh || command -v ash || command -v sh"
_SHELL = re.compile(r"[A-Za-z0-9_./-]{1,256}")


class LocalDesk:
    """Answers for this host alone. Engine failures become HostUnavailable and HostRefused."""

    def __init__(
        self,
        *,
        engine: ContainerEngine,
        access: ContainerAccess,
        intents: ReplacementIntents,
        clock: Clock,
        login_of: Callable[[str], RegistryAuth | None] = lambda _: None,
        on_changed: Callable[[], None] = lambda: None,
    ) -> None:
        """`on_changed` is told when containers came or went."""
        self._access = access
        self._clock = clock
        self._on_changed = on_changed
        self._replacing = Replacing(
            engine=engine, access=access, intents=intents, clock=clock, login_of=login_of
        )
        self._commands = asyncio.Semaphore(COMMANDS_MAX)
        self._transfers = asyncio.Semaphore(TRANSFERS_MAX)

    @asynccontextmanager
    async def exec(
        self, container: str, request: ExecRequest, *, caller: Caller
    ) -> AsyncIterator[ExecSession]:
        async with _one_of(self._commands, f"{COMMANDS_MAX} commands run in containers of this host"):
            with engine_failures():
                if not request.command:
                    request = replace(request, command=(await self._shell(container, request.user),))
                if request.has_terminal:
                    environment = ("TERM=xterm-256color", *request.environment)
                    request = replace(request, environment=environment)
                async with self._access.exec(container, request) as session:
                    _log("container.command_begun", container, caller)
                    try:
                        yield _Session(session)
                    finally:
                        _log("container.command_ended", container, caller)

    async def _shell(self, container: str, user: str) -> str:
        """Return the best shell a container has. Raises EngineRefused when it has none."""
        probe = ExecRequest(command=("sh", "-c", _SHELLS), user=user)
        output = bytearray()
        async with asyncio.timeout(SHELL_TIMEOUT_S), self._access.exec(container, probe) as session:
            async for piece in session.output():
                output += piece.data[: 4096 - len(output)]
            code = await session.exit_code()
        words = output.decode(errors="replace").split()
        if code == 0 and words and _SHELL.fullmatch(words[0]):
            return words[0]
        if "unable to find user" in output.decode(errors="replace"):
            raise EngineRefused(f"the container has no user {user!r}", status=400)
        raise EngineRefused("the container has no shell: name a command that its image has", status=400)

    async def top(self, container: str) -> ProcessTable:
        with engine_failures():
            return await self._access.top(container)

    async def document(self, container: str, *, reveal: bool) -> Mapping[str, object]:
        """Return the engine's own description, its secrets hidden unless `reveal`."""
        with engine_failures():
            found = await self._access.document(container)
        return found if reveal else masked(found)

    async def files(self, container: str, path: str) -> FileListing:
        with engine_failures():
            return await self._access.files(container, _checked(path))

    @asynccontextmanager
    async def read_file(self, container: str, path: str, *, caller: Caller) -> AsyncIterator[FileReading]:
        async with _one_of(self._transfers, f"{TRANSFERS_MAX} files are on their way here"):
            with engine_failures():
                async with self._access.read(container, _checked(path)) as reading:
                    _log("container.file_read", container, caller)
                    yield _Reading(reading)

    async def write_file(
        self, container: str, write: FileWrite, chunks: AsyncIterator[bytes], *, caller: Caller
    ) -> None:
        _checked(write.path)
        async with _one_of(self._transfers, f"{TRANSFERS_MAX} files are on their way here"):
            with engine_failures():
                await self._access.write(container, write, chunks, now_ms=self._clock.now_ms())
        _log("container.file_written", container, caller)

    async def settings(self, container: str) -> ContainerSettings:
        with engine_failures():
            return await self._access.settings(container)

    async def update(self, container: str, changes: LimitChanges, *, caller: Caller) -> tuple[str, ...]:
        with engine_failures():
            warnings = await self._access.update(container, changes)
        _log("container.updated", container, caller)
        self._on_changed()
        return warnings

    async def plan(self, container: str, changes: ReplacementChanges) -> ReplacementPlan:
        with engine_failures():
            return await self._access.plan(container, changes)

    @asynccontextmanager
    async def replace(
        self, container: str, changes: ReplacementChanges, *, caller: Caller
    ) -> AsyncIterator[AsyncIterator[ReplacementStep]]:
        """Make a container anew; yields its steps. Leaving early does not: it is done to its end first."""
        news: asyncio.Queue[ReplacementStep | EngineError | None] = asyncio.Queue(maxsize=STEPS_MAX)

        async def work() -> None:
            try:
                await self._replacing.replace(container, changes, news.put_nowait)
                news.put_nowait(None)
            except EngineError as error:
                news.put_nowait(error)
            except TimeoutError:
                words = f"{container} could not be put back in time: look at it with `docker ps -a`"
                news.put_nowait(EngineUnavailable(words))
            finally:
                self._on_changed()

        async def steps() -> AsyncIterator[ReplacementStep]:
            while (step := await news.get()) is not None:
                if isinstance(step, EngineError):
                    with engine_failures():
                        raise step
                yield step

        _log("container.replaced", container, caller)
        failure: Exception | None = None
        try:
            async with asyncio.TaskGroup() as tasks:
                working = tasks.create_task(work(), name="replacing")
                yield steps()
                await working
        except* (HostRefused, HostUnavailable) as group:
            failure = group.exceptions[0]
        if failure is not None:
            raise failure

    async def settle(self, until_engine: Callable[[], Awaitable[None]]) -> None:
        """Once the engine answers, settle what an earlier agent was making anew when it was killed."""
        while True:
            await until_engine()
            try:
                await self._replacing.settle()
            except EngineUnavailable:
                await self._clock.sleep(SETTLE_AGAIN_S)
                continue
            self._on_changed()
            return


class _Session:
    """A command whose failures are said as a host's."""

    def __init__(self, session: ExecSession) -> None:
        self._session = session

    async def output(self) -> AsyncIterator[ExecOutput]:
        with engine_failures():
            async for piece in self._session.output():
                yield piece

    async def write(self, data: bytes) -> None:
        with engine_failures():
            await self._session.write(data)

    async def close_input(self) -> None:
        with engine_failures():
            await self._session.close_input()

    async def resize(self, *, columns: int, rows: int) -> None:
        with engine_failures():
            await self._session.resize(columns=columns, rows=rows)

    async def exit_code(self) -> int | None:
        with engine_failures():
            return await self._session.exit_code()


class _Reading:
    """A file whose failures are said as a host's."""

    def __init__(self, reading: FileReading) -> None:
        self.entry = reading.entry
        self._reading = reading

    async def chunks(self) -> AsyncIterator[bytes]:
        with engine_failures():
            async for data in self._reading.chunks():
                yield data


def masked(found: Mapping[str, object]) -> dict[str, object]:
    """Return an engine's description without the values that may be secrets: of the environment, and of a
    log driver's options."""
    config = dict(_mapping(found.get("Config")))
    host = dict(_mapping(found.get("HostConfig")))
    environment = config.get("Env")
    if isinstance(environment, list):
        config["Env"] = [f"{str(entry).partition('=')[0]}={MASK}" for entry in environment]
    logging_options = dict(_mapping(host.get("LogConfig")))
    if logging_options.get("Config"):
        logging_options["Config"] = dict.fromkeys(_mapping(logging_options["Config"]), MASK)
        host["LogConfig"] = logging_options
    return {**found, "Config": config, "HostConfig": host}


def _mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, dict) else {}


def _checked(path: str) -> str:
    problem = path_problem(path)
    if problem:
        raise HostRefused(f"path {path[:200]!r} {problem}", code="refused")
    return path


@asynccontextmanager
async def _one_of(semaphore: asyncio.Semaphore, words: str) -> AsyncIterator[None]:
    if semaphore.locked():
        raise HostUnavailable(f"{words}, which is as many as may: end one, or try again later")
    async with semaphore:
        yield


def _log(event: str, container: str, caller: Caller) -> None:
    log.info(
        event,
        extra={"container": container, "principal": caller.name, "request_id": caller.request_id},
    )
