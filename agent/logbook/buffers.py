"""Lines that are not on disk yet, by container. Pure."""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field

from cluster.logs.block import LINES_MAX, encode_lines, encode_source, kind_of
from cluster.model.log_history import KeptLine, LogSource

BYTES_MAX = 256 * 1024
LINES_HELD_MAX = 20_000
_LINE_OVERHEAD_BYTES = 80
assert LINES_HELD_MAX <= LINES_MAX, "a buffer fits into one record"


@dataclass(slots=True)
class Batch:
    """Lines of one container in the order they came, from `first_ordinal` on."""

    source: LogSource
    first_ordinal: int
    since_us: int
    moments_us: array[int] = field(default_factory=lambda: array("q"))
    kinds: bytearray = field(default_factory=bytearray)
    texts: list[str] = field(default_factory=list)
    held_bytes: int = 0

    def add(self, at_us: int, stream: int, level: int, text: str, *, is_partial: bool) -> KeptLine:
        """Take in a line and return it as it is kept."""
        self.moments_us.append(at_us)
        self.kinds.append(kind_of(stream=stream, level=level, is_partial=is_partial))
        self.texts.append(text)
        self.held_bytes += len(text) + _LINE_OVERHEAD_BYTES
        return KeptLine(
            container_id=self.source.container_id,
            at_us=at_us,
            ordinal=self.first_ordinal + len(self.texts) - 1,
            stream=stream,
            level=level,
            text=text,
            is_partial=is_partial,
        )

    @property
    def is_full(self) -> bool:
        return self.held_bytes >= BYTES_MAX or len(self.texts) >= LINES_HELD_MAX

    def records(self, number: int) -> tuple[bytes, bytes]:
        """Return it as the records a segment would have."""
        return (
            encode_source(number, self.source),
            encode_lines(number, self.first_ordinal, self.moments_us, bytes(self.kinds), self.texts),
        )
