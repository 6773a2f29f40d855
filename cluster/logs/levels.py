"""How grave a line says it is. Pure, and cheap: it is asked for every line that is written.

Known forms: a level field of JSON or logfmt (also the numbers of pino and bunyan: 10 trace to 60 fatal, and
of syslog: 0 to 7 where the field is named as in GELF and journald), klog's first letter (`E1130 12:34:56`),
a word in brackets, and a word in upper case, or before a colon, within the first part of a line. Where a
line has several, the first counts. What says nothing is UNKNOWN, whatever stream it is on: many programs
write everything to standard error.
"""

from __future__ import annotations

import re

from cluster.logs.plain import plain_text
from cluster.model.log_history import LineStream, LogLevel

_WORDS = {
    "trace": LogLevel.TRACE,
    "trc": LogLevel.TRACE,
    "finest": LogLevel.TRACE,
    "finer": LogLevel.TRACE,
    "verbose": LogLevel.TRACE,
    "vrb": LogLevel.TRACE,
    "debug": LogLevel.DEBUG,
    "dbg": LogLevel.DEBUG,
    "fine": LogLevel.DEBUG,
    "info": LogLevel.INFO,
    "inf": LogLevel.INFO,
    "information": LogLevel.INFO,
    "informational": LogLevel.INFO,
    "notice": LogLevel.INFO,
    "log": LogLevel.INFO,
    "warn": LogLevel.WARN,
    "warning": LogLevel.WARN,
    "wrn": LogLevel.WARN,
    "error": LogLevel.ERROR,
    "err": LogLevel.ERROR,
    "eror": LogLevel.ERROR,
    "severe": LogLevel.ERROR,
    "crit": LogLevel.FATAL,
    "critical": LogLevel.FATAL,
    "fatal": LogLevel.FATAL,
    "ftl": LogLevel.FATAL,
    "panic": LogLevel.FATAL,
    "alert": LogLevel.FATAL,
    "emerg": LogLevel.FATAL,
    "emergency": LogLevel.FATAL,
}
_LETTERS = {"I": LogLevel.INFO, "W": LogLevel.WARN, "E": LogLevel.ERROR, "F": LogLevel.FATAL}
# RFC 5424, table 2.
_SYSLOG = (
    *(LogLevel.FATAL,) * 3,
    LogLevel.ERROR,
    LogLevel.WARN,
    LogLevel.INFO,
    LogLevel.INFO,
    LogLevel.DEBUG,
)

HEAD_CHARACTERS = 160
"""A word further in is part of what the line says, not how it says it."""
FIELD_CHARACTERS = 4096

_JSON_FIELD = re.compile(
    r'"(?:@l|level|lvl|log\.level|levelname|level_name|loglevel|log_level|severity|severity_text|severityText|PRIORITY|@level)"'
    r'\s*:\s*(?:"([A-Za-z]{1,16})"|"?([0-9]{1,2})"?)'
)
_LOGFMT_FIELD = re.compile(
    r'(?:^|[\s,{])(?:level|lvl|severity|loglevel|log_level)="?([A-Za-z]{1,16})"?(?=$|[\s,}])'
)
_KLOG = re.compile(r"([IWEF])\d{4} \d\d:\d\d:\d\d")
_ALL = "|".join(sorted(_WORDS, key=len, reverse=True))
_TITLED = "|".join(word.capitalize() for word in sorted(_WORDS, key=len, reverse=True))
# In brackets any case; otherwise upper case as a word of its own, or any case before a colon.
_WORD = re.compile(
    rf"[\[(<|]\s*((?i:{_ALL}))\s*[\])>|]"
    rf"|(?<![A-Za-z0-9_./-])({_ALL.upper()})(?![A-Za-z0-9_./-])"
    rf"|(?<![A-Za-z0-9_./-])({_ALL}|{_TITLED}):(?=\s|$)"
)
_SHORT = re.compile(r"[\[(]([TDIWEF])[\])]|^([DIWEF])[ /](?=[A-Za-z0-9\[(])")
_SHORT_LEVELS = {**_LETTERS, "T": LogLevel.TRACE, "D": LogLevel.DEBUG}
_THROWN = re.compile(r"(?:[A-Za-z_$][\w$]*[.:]{1,2})*[A-Z][\w$]*(?:Error|Exception)(?::|$)")
_TRACES = ("Traceback (most recent call last)", "Exception in thread ", "Caused by: ")


def level_of(text: str) -> LogLevel:
    """Return how grave `text` says it is."""
    if "\x1b" in text:
        text = plain_text(text[:FIELD_CHARACTERS])
    first = text[:1]
    if first == "{" or '":' in text[:HEAD_CHARACTERS]:
        field = _JSON_FIELD.search(text, 0, FIELD_CHARACTERS)
        if field is not None:
            return _WORDS.get(field[1].lower(), LogLevel.UNKNOWN) if field[1] else _numbered(text, field)
        if first == "{":
            return LogLevel.UNKNOWN
    if "=" in text:
        field = _LOGFMT_FIELD.search(text, 0, FIELD_CHARACTERS)
        if field is not None:
            found = _WORDS.get(field[1].lower())
            if found is not None:
                return found
    if first in _LETTERS and _KLOG.match(text) is not None:
        return _LETTERS[first]
    word = _WORD.search(text, 0, HEAD_CHARACTERS)
    if word is not None:
        return _WORDS[(word[1] or word[2] or word[3]).lower()]
    short = _SHORT.search(text, 0, HEAD_CHARACTERS)
    if short is not None:
        return _SHORT_LEVELS[short[1] or short[2]]
    if text.startswith(_TRACES) or _THROWN.match(text, 0, HEAD_CHARACTERS) is not None:
        return LogLevel.ERROR
    return LogLevel.UNKNOWN


def _numbered(text: str, field: re.Match[str]) -> LogLevel:
    number = int(field[2])
    if number >= 10:
        return LogLevel(min(int(LogLevel.FATAL), max(int(LogLevel.TRACE), number // 10)))
    return _SYSLOG[number] if number < len(_SYSLOG) else LogLevel.UNKNOWN


TRACE_GAP_US = 100_000


class Levels:
    """The levels of one container's lines: indented ones that say none have that of the line they go on.

    So who looks for errors finds their stack traces too.
    """

    def __init__(self) -> None:
        self._last = {stream: (0, LogLevel.UNKNOWN) for stream in LineStream}

    def of(self, at_us: int, stream: LineStream, text: str) -> LogLevel:
        """Return the level of the next line."""
        level = level_of(text)
        last_us, last = self._last[stream]
        if level is LogLevel.UNKNOWN and text[:1] in (" ", "\t") and at_us - last_us <= TRACE_GAP_US:
            level = last
        self._last[stream] = (at_us, level)
        return level
