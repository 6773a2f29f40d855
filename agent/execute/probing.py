"""Asking a replica whether it can serve, at the address the routers will use."""

from __future__ import annotations

import asyncio
import re
from contextlib import suppress
from typing import Protocol
from urllib.parse import quote

TIMEOUT_S = 1.0
_HEAD_BYTES_MAX = 16 * 1024
_STATUS_LINE = re.compile(rb"HTTP/1\.[01] ([1-5]\d\d)(?: |\r|\n)")
_TARGET_SAFE = "/?&=%:@!$()*+,;~-._'"


class Prober(Protocol):
    """Probes one replica."""

    async def probe(self, address: str, port: int, *, path: str, host: str) -> str:
        """Return "" when it answers as it should, else why not. `path` "" is a TCP connect."""
        ...


class NetworkProber:
    """A request of its own per probe: no pool to keep, and a listener that hangs is noticed."""

    def __init__(self, *, timeout_s: float = TIMEOUT_S) -> None:
        self._timeout_s = timeout_s

    async def probe(self, address: str, port: int, *, path: str, host: str) -> str:
        where = f"{path or 'a connection'} on port {port}"
        try:
            async with asyncio.timeout(self._timeout_s):
                reader, writer = await asyncio.open_connection(address, port, limit=_HEAD_BYTES_MAX)
                try:
                    return await _ask(reader, writer, path, host, where) if path else ""
                finally:
                    # Nothing more is wanted of it; a polite close would wait.
                    writer.transport.abort()
        except TimeoutError:
            return f"no answer to {where} within {self._timeout_s:g} s"
        except ConnectionRefusedError:
            return f"nothing listens for {where}"
        except OSError as error:
            return f"{where}: {error.strerror or error}"


async def _ask(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, path: str, host: str, where: str
) -> str:
    target = quote(path, safe=_TARGET_SAFE)
    head = (f"GET {target} HTTP/1.1", f"Host: {host}", "User-Agent: control-tower", "Connection: close")
    writer.write("\r\n".join((*head, "", "")).encode())
    line = b""
    with suppress(asyncio.IncompleteReadError, asyncio.LimitOverrunError):
        line = await reader.readuntil(b"\n")
    match = _STATUS_LINE.match(line)
    if match is None:
        return f"{where} was not answered in HTTP"
    status = int(match[1])
    return "" if 200 <= status < 400 else f"{where} answered {status}"
