"""The bytes of a container's log, cut into lines. Pure.

Without a terminal the engine sends frames: one byte for the stream, three zeros, the length as
four big-endian bytes, then that much text (API 1.41, "Stream format"). With a terminal it sends
the text alone. We always ask for timestamps, so each message starts with one, also the later
pieces of a line longer than the engine's 16 KiB buffer: those are joined again here.
"""

from __future__ import annotations

import re

from agent.docker.inspect import ReplyMalformed, parse_time_ns
from agent.ports import LogLine, LogStream

LINE_BYTES_MAX = 64 * 1024
"""Longer lines are given in pieces marked `is_partial`, so that memory stays bounded."""

FRAME_BYTES_MAX = 4 * 1024 * 1024
"""No log driver sends a longer message; a longer length means that the stream is not framed."""

_HEADER_BYTES = 8
_STREAMS = {0: LogStream.STDOUT, 1: LogStream.STDOUT, 2: LogStream.STDERR, 3: LogStream.STDERR}
_STAMP = re.compile(rb"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)) ?")
_PIECES = re.compile(rb"[^\n]*\n|[^\n]+")


class _Line:
    """One line being put together; `is_rest` once pieces of it were given."""

    __slots__ = ("at_ns", "is_rest", "text")

    def __init__(self) -> None:
        self.text = bytearray()
        self.at_ns: int | None = None
        self.is_rest = False


class LogDemultiplexer:
    """Feed it the bytes as they come; it returns the lines that became complete."""

    def __init__(self, *, tty: bool) -> None:
        self._tty = tty
        self._buffer = bytearray()
        self._lines = {stream: _Line() for stream in LogStream}
        self._at_message_start = True

    def feed(self, data: bytes) -> list[LogLine]:
        """Return the lines completed by `data`. Raises ReplyMalformed when it is no log stream."""
        if self._tty:
            return self._feed_terminal(data)
        self._buffer += data
        lines: list[LogLine] = []
        while len(self._buffer) >= _HEADER_BYTES:
            kind, zeros = self._buffer[0], bytes(self._buffer[1:4])
            length = int.from_bytes(self._buffer[4:8], "big")
            if kind not in _STREAMS or zeros != b"\0\0\0" or length > FRAME_BYTES_MAX:
                raise ReplyMalformed("the log stream is not in the engine's framed format")
            if len(self._buffer) < _HEADER_BYTES + length:
                break
            message = bytes(self._buffer[_HEADER_BYTES : _HEADER_BYTES + length])
            del self._buffer[: _HEADER_BYTES + length]
            lines.extend(self._message(_STREAMS[kind], message))
        return lines

    def finish(self) -> list[LogLine]:
        """Return what is left when the stream ends: a last line without its end."""
        lines: list[LogLine] = []
        if self._tty and self._buffer:
            rest = bytes(self._buffer)
            self._buffer.clear()
            lines.extend(self._message(LogStream.STDOUT, rest, stamped=self._at_message_start))
        for stream, line in self._lines.items():
            if line.text or (line.at_ns is not None and not line.is_rest):
                lines.append(self._take(stream))
        return lines

    def _feed_terminal(self, data: bytes) -> list[LogLine]:
        # A timestamp may be cut by the end of a read: hold back until the line's end is there.
        self._buffer += data
        lines: list[LogLine] = []
        while True:
            end = self._buffer.find(b"\n")
            if end < 0 and len(self._buffer) < LINE_BYTES_MAX:
                return lines
            size = end + 1 if 0 <= end < LINE_BYTES_MAX else LINE_BYTES_MAX
            piece = bytes(self._buffer[:size])
            del self._buffer[:size]
            lines.extend(self._message(LogStream.STDOUT, piece, stamped=self._at_message_start))
            self._at_message_start = piece.endswith(b"\n")

    def _message(self, stream: LogStream, message: bytes, *, stamped: bool = True) -> list[LogLine]:
        lines: list[LogLine] = []
        for piece in _PIECES.findall(message):
            line = self._lines[stream]
            stamp = _STAMP.match(piece) if stamped else None
            if stamp is not None:
                piece = piece[stamp.end() :]
                if line.at_ns is None:
                    line.at_ns = parse_time_ns(stamp[1].decode("ascii"))
            line.text += piece
            while len(line.text) > LINE_BYTES_MAX:
                lines.append(self._take_piece(stream))
            if line.text.endswith(b"\n"):
                lines.append(self._take(stream))
        return lines

    def _take(self, stream: LogStream) -> LogLine:
        line = self._lines[stream]
        self._lines[stream] = _Line()
        text = bytes(line.text)
        if text.endswith(b"\n"):
            text = text[:-1].removesuffix(b"\r")
        return LogLine(stream=stream, text=text.decode("utf-8", "replace"), at_ns=line.at_ns)

    def _take_piece(self, stream: LogStream) -> LogLine:
        line = self._lines[stream]
        piece = bytes(line.text[:LINE_BYTES_MAX])
        del line.text[:LINE_BYTES_MAX]
        line.is_rest = True
        text = piece.decode("utf-8", "replace")
        return LogLine(stream=stream, text=text, at_ns=line.at_ns, is_partial=True)
