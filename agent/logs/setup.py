"""How the agent's own log lines look: JSON for machines, one short line for a terminal.

Code logs a stable event name and fields, `log.info("engine.available", extra={"api": "1.41"})`;
fields shared by everything under a request or a rollout are bound with `bound_fields`.
"""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any, Literal, TextIO

LogFormat = Literal["json", "text"]

_bound: ContextVar[Mapping[str, object] | None] = ContextVar("log_fields", default=None)

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}

# The last line of defence: whoever logs a secret has made a mistake already.
_SECRET_WORDS = ("password", "secret", "token", "authorization", "cookie", "private_key", "api_key")
_REDACTED = "[redacted]"


@contextmanager
def bound_fields(**fields: object) -> Iterator[None]:
    """Add `fields` to every line logged inside the block, in this task and the tasks it starts."""
    token = _bound.set({**(_bound.get() or {}), **fields})
    try:
        yield
    finally:
        _bound.reset(token)


def _fields(record: logging.LogRecord) -> dict[str, object]:
    fields = dict(_bound.get() or {})
    fields.update((key, value) for key, value in vars(record).items() if key not in _STANDARD)
    for key in fields:
        if any(word in key.lower() for word in _SECRET_WORDS):
            fields[key] = _REDACTED
    return fields


def _timestamp(record: logging.LogRecord) -> str:
    moment = datetime.fromtimestamp(record.created, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


class JsonFormatter(logging.Formatter):
    """One JSON object: at, level, logger, event, the fields, and `error` with a traceback if any."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "at": _timestamp(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": record.getMessage(),
        }
        for key, value in _fields(record).items():
            line[key if key not in line else f"{key}_"] = value
        if record.exc_info and record.exc_info[1] is not None:
            line["error"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str, ensure_ascii=False, separators=(",", ":"))


class TextFormatter(logging.Formatter):
    """`12:00:01.250 INFO  engine.available api=1.41`, for a person watching."""

    def format(self, record: logging.LogRecord) -> str:
        fields = " ".join(f"{key}={_plain(value)}" for key, value in _fields(record).items())
        line = f"{_timestamp(record)[11:23]} {record.levelname:<7} {record.getMessage()}"
        line = f"{line} {fields}".rstrip()
        if record.exc_info and record.exc_info[1] is not None:
            line = f"{line}\n{self.formatException(record.exc_info)}"
        return line


def _plain(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value, default=str, ensure_ascii=False)
    return json.dumps(text, ensure_ascii=False) if text == "" or any(c.isspace() for c in text) else text


def configure_logging(level: str, log_format: LogFormat, stream: TextIO | None = None) -> None:
    """Send every line at `level` or above to `stream` (standard output) as `log_format`.

    Replaces what was configured before, so calling it twice does not double the lines. Libraries
    stay at WARNING: their chatter is neither an event of ours nor bounded by us.
    """
    handler = logging.StreamHandler(stream if stream is not None else sys.stdout)
    handler.setFormatter(JsonFormatter() if log_format == "json" else TextFormatter())
    root = logging.getLogger()
    for previous in root.handlers[:]:
        root.removeHandler(previous)
    root.addHandler(handler)
    root.setLevel(logging.WARNING)
    for package in ("agent", "cluster", "web"):
        logging.getLogger(package).setLevel(level.upper())
    logging.captureWarnings(capture=True)
