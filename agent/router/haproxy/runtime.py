"""HAProxy's two sockets: one command, one answer, one connection (management guide, section 9.3)."""

from __future__ import annotations

import asyncio
from pathlib import Path

from agent.ports import SwitchError
from agent.router.haproxy.stats import (
    AnswerMalformed,
    Reading,
    ServerState,
    ServerStats,
    Workers,
    parse_counters,
    parse_previews,
    parse_server_states,
    parse_servers,
    parse_tunnels,
    parse_workers,
)

TIMEOUT_S = 3.0
ANSWER_BYTES_MAX = 64 * 1024 * 1024


class RuntimeSocket:
    """Commands to the present worker, or through the master to any. Every call may raise SwitchError."""

    def __init__(self, path: Path, master_path: Path, *, timeout_s: float = TIMEOUT_S) -> None:
        self._path = str(path)
        self._master_path = str(master_path)
        self._timeout_s = timeout_s

    async def workers(self) -> Workers:
        """The processes, as the master knows them."""
        answer = await self._ask(self._master_path, "show proc")
        try:
            return parse_workers(answer)
        except AnswerMalformed as error:
            raise SwitchError(f"HAProxy's master did not answer as documented: {error}") from error

    async def present_pid(self) -> int:
        """The process that answers on the workers' socket."""
        for line in (await self._ask(self._path, "show info")).splitlines():
            name, _, value = line.partition(":")
            if name == "Pid" and value.strip().isdecimal():
                return int(value)
        raise SwitchError("HAProxy did not tell its pid")

    async def reload(self) -> None:
        """Ask the master to start a worker with the configuration on disk. 2.6 answers nothing."""
        await self._ask(self._master_path, "reload")

    async def servers(self, backend: str, *, worker: int | None = None) -> dict[str, ServerStats]:
        """The servers of `backend` by name; empty when the worker does not know the backend."""
        # A filter by name of an unknown backend gives the header alone.
        answer = await self._to(worker, f"show stat {backend} 4 -1")
        if answer.strip().startswith("No such proxy"):
            return {}
        try:
            return {server.server: server for server in parse_servers(answer)}
        except AnswerMalformed as error:
            raise SwitchError(f"HAProxy's statistics are not as documented: {error}") from error

    async def reading(self, backend: str | None) -> tuple[int, Reading]:
        """The present worker's pid, and what it counted of one backend or of all.

        In one question: another worker may take over the socket between two.
        """
        answer = await self._ask(self._path, f"show info;{_counting(backend)}")
        for line in answer.splitlines():
            name, _, value = line.partition(":")
            if name == "Pid" and value.strip().isdecimal():
                return int(value), _reading(answer)
        raise SwitchError("HAProxy did not tell its pid")

    async def reading_of(self, worker: int, backend: str | None) -> Reading:
        """What another worker counted of one backend or of all."""
        previews, counters = _counting(backend).split(";")
        return _reading(await self._to(worker, previews) + await self._to(worker, counters))

    async def tunnels(self, *, worker: int | None = None) -> dict[str, int]:
        """How many connections to each backend/server were upgraded and are still open."""
        try:
            return parse_tunnels(await self._to(worker, "show table tunnels"))
        except AnswerMalformed as error:
            raise SwitchError(f"HAProxy's table of tunnels is not as documented: {error}") from error

    async def server_states(self) -> tuple[list[ServerState], str]:
        """The state of every server, and the same as text for the file HAProxy reads when it starts."""
        answer = await self._ask(self._path, "show servers state")
        text = "".join(f"{line}\n" for line in answer.splitlines() if line.strip())
        try:
            return parse_server_states(answer), text
        except AnswerMalformed as error:
            raise SwitchError(f"HAProxy's server states are not as documented: {error}") from error

    async def set_state(self, server: str, state: str, *, worker: int | None = None) -> None:
        """`state`: ready, drain or maint. `server` is backend/name."""
        await self._quietly(worker, f"set server {server} state {state}")

    async def set_address(self, server: str, address: str, port: int, *, worker: int | None = None) -> None:
        """Only in maintenance and without requests in flight: readers see halves of it before 2.9."""
        command = f"set server {server} addr {address} port {port}"
        answer = (await self._to(worker, command)).strip()
        # The last is 3.x's word for an address that it has already.
        if not any(words in answer for words in ("changed from", "no need to change", "nothing changed")):
            raise SwitchError(f"HAProxy refused {command!r}: {answer}")

    async def set_weight(self, server: str, weight: int) -> None:
        await self._quietly(None, f"set server {server} weight {weight}")

    async def cut_sessions(self, server: str, *, worker: int | None = None) -> None:
        await self._quietly(worker, f"shutdown sessions server {server}")

    async def map_entries(self, path: Path) -> list[tuple[str, str]]:
        entries = []
        for line in (await self._ask(self._path, f"show map {path}")).splitlines():
            words = line.split()
            if len(words) == 3:
                entries.append((words[1], words[2]))
        return entries

    async def change_map(self, path: Path, entries: list[tuple[str, str]]) -> None:
        """Have the map hold `entries` and no others, changing only what differs.

        Not as a new version of it: until 2.9 a lookup meanwhile may find the entry after its own (fixed by
        "pattern: only visit equivalent nodes when skipping versions").
        """
        wanted = dict(entries)
        present = dict(await self.map_entries(path))
        for key in present.keys() - wanted.keys():
            await self._quietly(None, f"del map {path} {key}")
        for key, value in wanted.items():
            if key not in present:
                await self._quietly(None, f"add map {path} {key} {value}")
            elif present[key] != value:
                await self._quietly(None, f"set map {path} {key} {value}")

    async def replace_map(self, path: Path, entries: list[tuple[str, str]]) -> None:
        """Put `entries` in the place of all of the map's, in this order; for maps that are searched one by
        one."""
        answer = await self._ask(self._path, f"prepare map {path}")
        version = answer.rpartition(":")[2].strip()
        if not version.isdecimal():
            raise SwitchError(f"HAProxy refused to prepare {path.name}: {answer.strip()}")
        for key, value in entries:
            await self._quietly(None, f"add map @{version} {path} {key} {value}")
        await self._quietly(None, f"commit map @{version} {path}")

    async def _quietly(self, worker: int | None, command: str) -> None:
        """Run a command whose success has no words."""
        answer = (await self._to(worker, command)).strip()
        if answer:
            raise SwitchError(f"HAProxy refused {command!r}: {answer}")

    async def _to(self, worker: int | None, command: str) -> str:
        if worker is None:
            return await self._ask(self._path, command)
        return await self._ask(self._master_path, f"@!{worker} {command}")

    async def _ask(self, path: str, command: str) -> str:
        try:
            async with asyncio.timeout(self._timeout_s):
                reader, writer = await asyncio.open_unix_connection(path)
                try:
                    writer.write(command.encode() + b"\n")
                    # The master's socket stays open for more commands until it is told that none come.
                    writer.write_eof()
                    answer = bytearray()
                    while data := await reader.read(64 * 1024):
                        answer += data
                        if len(answer) > ANSWER_BYTES_MAX:
                            raise SwitchError(f"HAProxy's answer to {command!r} has no end")
                finally:
                    writer.close()
        except TimeoutError as error:
            raise SwitchError(f"HAProxy did not answer {command!r} within {self._timeout_s:g} s") from error
        except OSError as error:
            raise SwitchError(f"HAProxy cannot be reached on {path}: {error.strerror or error}") from error
        return answer.decode("utf-8", "replace")


def _counting(backend: str | None) -> str:
    """The commands that tell what was counted; previews first, so that none is left out of both."""
    return f"show table previews;show stat {backend or -1} 6 -1"


def _reading(answer: str) -> Reading:
    _, _, tables = answer.partition("# table:")
    previews, found, counters = tables.partition("# pxname")
    if not found:
        raise SwitchError(f"HAProxy did not tell what it counted: {answer.strip()[-200:]}")
    try:
        return Reading(
            previews=parse_previews(f"# table:{previews}"), backends=parse_counters(f"# pxname{counters}")
        )
    except AnswerMalformed as error:
        raise SwitchError(f"HAProxy's counters are not as documented: {error}") from error
