"""Sentences for people, in English and Italian: which language, the texts of one, and numbers in it.

What is said has a key in a `Phrasebook`, with its text in every language beside each other, so that none can
be forgotten. Numbers are rounded to what is known of them: a forecast of 12.3 days is "~12 days".
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from string import Formatter

DIGITS = 3
"""As many digits of a measured value are shown."""
_HOURS_FROM_DAYS = 2.0
_MONTHS_FROM_DAYS = 60.0
_YEARS_FROM_DAYS = 730.0
_DAYS_PER_MONTH = 30.44
_SIZES = ("B", "KiB", "MiB", "GiB", "TiB")
_UNITS = {"percent": " %", "celsius": " °C", "count": "", "count/s": "/s", "": ""}


class Language(StrEnum):
    EN = "en"
    IT = "it"


def choose_language(accepted: str) -> Language:
    """Return the best language for the value of an Accept-Language header, English where none fits.

    Ranges with weights as RFC 9110 section 12.5.4 has them; a range counts by its first subtag. What cannot
    be read counts for nothing.
    """
    best, weight = Language.EN, 0.0
    for part in accepted[:1000].split(","):
        tag, _, parameter = part.partition(";")
        name, _, text = parameter.strip().partition("=")
        try:
            asked = float(text) if name.strip().lower() == "q" else 1.0
            language = Language(tag.strip().lower().partition("-")[0])
        except ValueError:
            continue
        if weight < asked <= 1.0:
            best, weight = language, asked
    return best


@dataclass(frozen=True, slots=True)
class Text:
    """What is said, in every language. `{name}` stands for a value."""

    en: str
    it: str

    def in_language(self, language: Language) -> str:
        return self.it if language is Language.IT else self.en

    def fill(self, **values: str | int) -> Text:
        """Return the text with these values in it, in every language."""
        return Text(self.en.format(**values), self.it.format(**values))


class Phrasebook:
    """Texts by key. Those of one key name the same values in every language."""

    def __init__(self, texts: Mapping[str, Text]) -> None:
        for key, text in texts.items():
            assert _names(text.en) == _names(text.it), key
        self._texts = dict(texts)

    @property
    def keys(self) -> frozenset[str]:
        return frozenset(self._texts)

    def say(self, language: Language, key: str, **values: str) -> str:
        """Return the text of `key` with the values in it, its first letter a capital unless a name's."""
        text = self._texts[key].in_language(language)
        said = text.format(**values)
        return said if text.startswith("{name}") else said[:1].upper() + said[1:]


def _names(text: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(text) if name is not None}


_NOUNS: Mapping[str, Text] = {
    "cpu_percent": Text("processor use", "l'uso del processore"),
    "throttled_percent": Text("throttling", "la limitazione del processore"),
    "memory_bytes": Text("memory", "la memoria"),
    "memory_limit_bytes": Text("memory limit", "il limite di memoria"),
    "rx_bytes_per_s": Text("traffic received", "il traffico ricevuto"),
    "tx_bytes_per_s": Text("traffic sent", "il traffico inviato"),
    "read_bytes_per_s": Text("disk reading", "la lettura da disco"),
    "write_bytes_per_s": Text("disk writing", "la scrittura su disco"),
    "pids": Text("number of tasks", "il numero di processi"),
    "oom_kills": Text("number of OOM kills", "il numero di processi uccisi per memoria"),
    "restarts": Text("number of restarts", "il numero di riavvii"),
    "cpu_user_percent": Text("processor use by programs", "l'uso del processore dei programmi"),
    "cpu_system_percent": Text("processor use by the kernel", "l'uso del processore del kernel"),
    "cpu_iowait_percent": Text("wait for disks", "l'attesa dei dischi"),
    "cpu_steal_percent": Text("processor time taken by others", "il tempo di processore tolto da altri"),
    "load_1": Text("load", "il carico"),
    "load_5": Text("load", "il carico"),
    "swap_bytes": Text("swap use", "l'uso dello swap"),
    "pressure_cpu_percent": Text("wait for the processor", "l'attesa del processore"),
    "pressure_memory_percent": Text("wait for memory", "l'attesa della memoria"),
    "pressure_io_percent": Text("wait for disks", "l'attesa dei dischi"),
    "disk_used_bytes": Text("disk use", "lo spazio occupato"),
    "disk_size_bytes": Text("disk size", "lo spazio in tutto"),
    "inodes_used": Text("inode use", "l'uso degli inode"),
    "inodes_max": Text("number of inodes", "il numero di inode"),
    "temperature_celsius": Text("temperature", "la temperatura"),
    "requests": Text("request rate", "la frequenza delle richieste"),
    "errors": Text("error rate", "la frequenza degli errori"),
    "lost": Text("rate of lost requests", "la frequenza delle richieste perse"),
    "latency_p50_ms": Text("median latency", "la latenza mediana"),
    "latency_p95_ms": Text("latency (p95)", "la latenza (p95)"),
    "latency_p99_ms": Text("latency (p99)", "la latenza (p99)"),
}


def noun(metric: str) -> Text:
    """Return what people call a metric; in Italian with its article."""
    plain = metric.replace("_", " ")
    return _NOUNS.get(metric, Text(plain, f"la metrica {plain}"))


# ---- numbers


def number(language: Language, value: float, digits: int = DIGITS) -> str:
    """Return a number of so many digits that count: `1,230`, `0.0456`; in Italian `1.230`, `0,0456`."""
    if not math.isfinite(value):
        return "?"
    if value == 0:
        return "0"
    places = max(0, digits - 1 - math.floor(math.log10(abs(value))))
    text = f"{value:,.{min(places, 6)}f}"
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return _localised(language, "0" if text in ("-0", "") else text)


def percent(language: Language, value: float) -> str:
    """Return a share or change: `15 %`, `2.4 %`, `0.3 %`."""
    return f"{number(language, value, 2)} %"


def amount(language: Language, value: float, unit: str) -> str:
    """Return a value with its unit, as `cluster.model.metrics` names units: `97 %`, `1.5 GiB`, `250 ms`."""
    if not math.isfinite(value):
        return "?"
    if unit in ("bytes", "bytes/s"):
        size = 0
        # What would be rounded to 1,024 is one of the next.
        while abs(value) >= 1023.5 and size < len(_SIZES) - 1:
            value /= 1024
            size += 1
        digits = DIGITS if abs(value) < 1000 else 4
        return f"{number(language, value, digits)} {_SIZES[size]}{unit[len('bytes') :]}"
    return number(language, value) + _UNITS.get(unit, f" {unit}")


def about_days(language: Language, days: float) -> str:
    """Return a forecast time span, no more exact than it is: `~18 hours`, `~12 days`, `~5 months`."""
    return f"~{_span(language, days)}"


def between(language: Language, low_days: float, high_days: float | None) -> str:
    """Return a range of time: `9 to 14 days`; without an end `9 days or later`."""
    if high_days is None:
        later = "o più tardi" if language is Language.IT else "or later"
        return f"{_span(language, low_days)} {later}"
    low, high = _span(language, low_days), _span(language, high_days)
    low_count, _, low_unit = low.partition(" ")
    high_count, _, high_unit = high.partition(" ")
    if low == high:
        return f"~{low}"
    first = low_count if _plural(low_unit) == _plural(high_unit) else low
    if language is Language.IT:
        return f"{first}-{high}" if first == low_count else f"{low} - {high}"
    return f"{first} to {high_count} {high_unit}"


def _plural(unit: str) -> str:
    return {
        "hour": "hours", "day": "days", "month": "months", "ora": "ore", "giorno": "giorni", "mese": "mesi"
    }.get(unit, unit)  # fmt: skip


def _span(language: Language, days: float) -> str:
    italian = language is Language.IT
    if days < _HOURS_FROM_DAYS:
        count, one, many = round(days * 24), *(("ora", "ore") if italian else ("hour", "hours"))
    elif days < _MONTHS_FROM_DAYS:
        count, one, many = round(days), *(("giorno", "giorni") if italian else ("day", "days"))
    elif days < _YEARS_FROM_DAYS:
        count, one, many = (
            round(days / _DAYS_PER_MONTH),
            *(("mese", "mesi") if italian else ("month", "months")),
        )
    else:
        count, one, many = round(days / 365.25), *(("anno", "anni") if italian else ("year", "years"))
    count = max(1, count)
    return f"{count} {one if count == 1 else many}"


def _localised(language: Language, text: str) -> str:
    if language is Language.IT:
        return text.translate(str.maketrans(",.", ".,"))
    return text
