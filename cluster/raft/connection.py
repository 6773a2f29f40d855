"""A connected socket on an event loop, owned by one object from its first byte to its last.

The event loop only says when the socket is ready. Its own transports are not used: uvloop 0.23 closes the
descriptor of a socket twice when the connection is aborted before `connection_made` has returned, and by the
second time the number may be the log's.
"""

import asyncio
import socket
from collections.abc import Callable
from typing import Final

_READ_BYTES: Final = 128 * 1024


class Connection:
    """Reads what arrives, writes what is given, in order. Single-threaded; callbacks come from the event
    loop.
    """

    def __init__(
        self,
        sock: socket.socket,
        loop: asyncio.AbstractEventLoop,
        *,
        on_data: Callable[[memoryview], None],
        on_lost: Callable[[str], None],
    ) -> None:
        """`sock` is connected and non-blocking, and belongs to this object from now on. `on_data` must
        use the bytes before it returns; `on_lost` is called once, with the reason, unless `close` or
        `abort` came first.
        """
        self._sock = sock
        self._fd = sock.fileno()
        self._loop = loop
        self._on_data = on_data
        self._on_lost = on_lost
        self._buffer = memoryview(bytearray(_READ_BYTES))
        self._unsent = bytearray()
        self._is_reading = True
        self._is_open = True
        loop.add_reader(self._fd, self._readable)

    @property
    def waiting_bytes(self) -> int:
        """What was written and has not been taken by the kernel."""
        return len(self._unsent)

    def write(self, data: bytes) -> None:
        """Send `data` after everything written before."""
        if not self._is_open or not self._is_reading:
            return
        sent = 0
        if not self._unsent:
            try:
                sent = self._sock.send(data)
            except (BlockingIOError, InterruptedError):
                pass
            except OSError as error:
                # Told from the loop, not from inside the write.
                self._stop_reading()
                self._loop.call_soon(self._lose, _reason(error))
                return
            if sent == len(data):
                return
            self._loop.add_writer(self._fd, self._writable)
        self._unsent += memoryview(data)[sent:]

    def pause_reading(self) -> None:
        """Leave what arrives in the kernel."""
        if self._is_open:
            self._loop.remove_reader(self._fd)

    def close(self) -> None:
        """Read no more, and close once everything written has been sent."""
        if self._is_open:
            self._stop_reading()
            if not self._unsent:
                self.abort()

    def abort(self) -> None:
        """Close at once. Idempotent."""
        if self._is_open:
            self._is_open = False
            self._stop_reading()
            if self._unsent:
                self._loop.remove_writer(self._fd)
                self._unsent.clear()
            self._sock.close()

    def _stop_reading(self) -> None:
        if self._is_reading:
            self._is_reading = False
            self._loop.remove_reader(self._fd)

    def _readable(self) -> None:
        try:
            count = self._sock.recv_into(self._buffer)
        except (BlockingIOError, InterruptedError):
            return
        except OSError as error:
            self._lose(_reason(error))
            return
        if count:
            self._on_data(self._buffer[:count])
        else:
            self._lose("the peer closed the connection")

    def _writable(self) -> None:
        try:
            sent = self._sock.send(self._unsent)
        except (BlockingIOError, InterruptedError):
            return
        except OSError as error:
            self._lose(_reason(error))
            return
        del self._unsent[:sent]
        if not self._unsent:
            self._loop.remove_writer(self._fd)
            if not self._is_reading:
                self.abort()

    def _lose(self, reason: str) -> None:
        if self._is_open:
            self.abort()
            self._on_lost(reason)


def _reason(error: OSError) -> str:
    return f"connection lost: {error.strerror or error}"
