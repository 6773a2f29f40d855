"""Asking the process that searches (`agent.logbook.worker`): started when somebody searches, ended when
nobody does.

One that does not answer in time is killed: only a regular expression takes so long, and the next question
gets a new process.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from agent.logbook.worker import FRAME_BYTES_MAX, RESULTS, TASKS, Result, Task
from cluster.encoding import EncodingError, unpack
from cluster.model.log_history import LogsUnavailable, PatternRefused

WORKERS_MAX = 2
WAITING_MAX = 16
GRACE_S = 4.0
"""How much longer than its budget a task may take before its process is killed."""
START_S = 10.0
IDLE_S = 60.0


class Searcher:
    """Processes that search, at most WORKERS_MAX, for one event loop."""

    def __init__(self, *, idle_s: float = IDLE_S, grace_s: float = GRACE_S) -> None:
        self._idle_s = idle_s
        self._grace_s = grace_s
        self._free = asyncio.Semaphore(WORKERS_MAX)
        self._idle: list[tuple[float, asyncio.subprocess.Process]] = []
        self._waiting = 0

    async def ask(self, task: Task) -> Result:
        """Return the answer to a task. Raises LogsUnavailable or PatternRefused."""
        if self._waiting >= WAITING_MAX:
            raise LogsUnavailable(f"{WAITING_MAX} searches wait on this host already: try again in a moment")
        self._waiting += 1
        try:
            async with self._free:
                result = await self._ask(task)
        finally:
            self._waiting -= 1
        if result.refused:
            raise PatternRefused(result.refused)
        return result

    async def _ask(self, task: Task) -> Result:
        frame = TASKS.encode(task)
        if len(frame) > FRAME_BYTES_MAX:
            raise LogsUnavailable("there is more in memory than a search takes: try again in a moment")
        async with self._process() as process:
            assert process.stdin is not None
            assert process.stdout is not None
            try:
                async with asyncio.timeout(START_S + task.budget_ms / 1000 + self._grace_s):
                    process.stdin.write(len(frame).to_bytes(4) + frame)
                    await process.stdin.drain()
                    length = int.from_bytes(await process.stdout.readexactly(4))
                    if length > FRAME_BYTES_MAX:
                        raise LogsUnavailable(f"a search answered with {length} bytes")
                    body = await process.stdout.readexactly(length)
                return RESULTS.from_array(unpack(body, max_bytes=FRAME_BYTES_MAX))
            except TimeoutError as error:
                raise PatternRefused(
                    "it takes too long on these lines: make it simpler, without repeats inside repeats, or"
                    " look for plain text"
                ) from error
            except (OSError, asyncio.IncompleteReadError, EncodingError) as error:
                raise LogsUnavailable(f"the process that searches ended: {error}") from error

    @asynccontextmanager
    async def _process(self) -> AsyncIterator[asyncio.subprocess.Process]:
        """A process for one question; it is used again only when that went well."""
        process = await self._taken()
        try:
            yield process
        except BaseException:
            await _end(process)
            raise
        self._idle.append((asyncio.get_running_loop().time(), process))

    async def _taken(self) -> asyncio.subprocess.Process:
        while self._idle:
            _, process = self._idle.pop()
            if process.returncode is None:
                return process
        try:
            return await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "agent.logbook.worker",
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                limit=1024 * 1024,
                # No variable of the agent is its business: some are secrets.
                env={"PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "LC_ALL": "C.UTF-8"},
            )
        except OSError as error:
            raise LogsUnavailable(f"the process that searches cannot be started: {error.strerror}") from error

    async def end_idle(self) -> None:
        """End processes that nobody has asked for a while. Call it now and then."""
        now_s = asyncio.get_running_loop().time()
        for entry in [entry for entry in self._idle if now_s - entry[0] >= self._idle_s]:
            self._idle.remove(entry)
            await _end(entry[1])

    async def close(self) -> None:
        """End all that are not at work."""
        while self._idle:
            await _end(self._idle.pop()[1])


async def _end(process: asyncio.subprocess.Process) -> None:
    with suppress(ProcessLookupError):
        process.kill()
    await process.wait()
