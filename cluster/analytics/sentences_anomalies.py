"""What an anomaly and an incident are in words."""

from __future__ import annotations

from cluster.analytics.anomalies import Anomaly, AnomalyKind, Finding
from cluster.analytics.grouping import Incident, called, is_share
from cluster.analytics.sentences import Language, Phrasebook, Text, amount, noun
from cluster.analytics.watched import PLAIN, WATCHED, is_count
from cluster.model.metrics import BY_NAME

TOTALS = frozenset({"oom_kills", "restarts"})
"""Events so rare that people count them; of other counts they want the rate."""
_MINUTE_MS = 60_000
_HOUR_MS = 60 * _MINUTE_MS
_FAMILIES = {
    "cpu": Text("processor", "processore"),
    "memory": Text("memory", "memoria"),
    "network": Text("network", "rete"),
    "disk": Text("disk", "disco"),
    "disk space": Text("disk space", "spazio su disco"),
    "requests": Text("requests", "richieste"),
    "errors": Text("errors", "errori"),
    "latency": Text("latency", "latenza"),
    "restarts": Text("restarts", "riavvii"),
    "temperature_celsius": Text("temperature", "temperatura"),
}
BOOK = Phrasebook(
    {
        "is": Text(
            "{name} {metric} is {current}, usually {usual} at this hour",
            "{metric} di {name}: {current}, a quest'ora di solito {usual}",
        ),
        "stays": Text(
            "{name} {metric} stays away from what is usual: {current}, usually {usual} at this hour",
            "{metric} di {name} resta lontano dal solito: {current}, a quest'ora di solito {usual}",
        ),
        "total": Text(
            "{name} {metric} is {current} in {time}, usually {usual}",
            "{metric} di {name}: {current} in {time}, di solito {usual}",
        ),
        "grew": Text(
            "{name} {metric} grew by {current} in {time}, usually {usual}",
            "{metric} di {name}: +{current} in {time}, di solito {usual}",
        ),
        "range": Text("{low} to {high}", "da {low} a {high}"),
        "minutes": Text("{count} minutes", "{count} minuti"),
        "hours": Text("{count} hours", "{count} ore"),
        "together": Text(
            "{name}: {what} unusual at the same time",
            "{name}: valori insoliti di {what} nello stesso momento",
        ),
        "short": Text(
            "{name}: {what} unusual while {pressure}", "{name}: valori insoliti di {what} con {pressure}"
        ),
        "places": Text(
            "{name}: {what} of {count} containers unusual at the same time",
            "{name}: valori insoliti di {what} in {count} container nello stesso momento",
        ),
        "single": Text(
            "{name}: only {what} unusual and no resource is short, which is a note rather than an alert",
            "{name}: valori insoliti solo di {what} e nessuna risorsa scarseggia: è una nota, non un allarme",
        ),
        "pressure": Text("{metric} is {value}", "{metric} a {value}"),
        "share": Text("{metric} is {value} of {limit}", "{metric} a {value} di {limit}"),
        "unhealthy": Text("it is unhealthy", "il controllo di salute che fallisce"),
        "not-running": Text("it does not run", "il container fermo"),
        "at": Text("{name} on {node}", "{name} su {node}"),
        "nothing": Text("{name}: nothing unusual", "{name}: nulla di insolito"),
    }
)


def tell_anomaly(language: Language, finding: Finding) -> str:
    """Return one sentence on an anomaly: what is, and what usually is."""
    found = finding.anomaly
    metric = finding.metric
    low, high = (_shown(language, metric, value, found.row_ms) for value in (found.low, found.high))
    usual = low if low == high else _inside(BOOK.say(language, "range", low=low, high=high))
    if WATCHED.get(metric, PLAIN).is_growth:
        key = "grew"
    elif metric in TOTALS:
        key = "total"
    else:
        key = "stays" if found.kind is AnomalyKind.PATTERN_CHANGE else "is"
    values = {
        "name": finding.name,
        "metric": noun(metric).in_language(language),
        "current": _shown(language, metric, found.current, found.row_ms),
        "usual": usual,
    }
    if key in ("grew", "total"):
        values["time"] = _time(language, found)
    return BOOK.say(language, key, **values)


def tell_incident(language: Language, name: str, incident: Incident) -> str:
    """Return one sentence on why an incident is told, or why it is not; `name` is its place's."""
    what = _families(language, incident.families)
    if incident.is_alertable and incident.pressures:
        pressure = incident.pressures[0]
        if pressure.metric == "health":
            said = BOOK.say(language, "unhealthy")
        elif pressure.metric == "state":
            said = BOOK.say(language, "not-running")
        else:
            known = BY_NAME.get(pressure.metric)
            value = amount(language, pressure.value, "" if known is None else known.unit)
            metric = noun(pressure.metric).in_language(language)
            if is_share(pressure.metric):
                limit = amount(language, pressure.limit, "" if known is None else known.unit)
                said = BOOK.say(language, "share", metric=metric, value=value, limit=limit)
            else:
                said = BOOK.say(language, "pressure", metric=metric, value=value)
        return BOOK.say(language, "short", name=name, what=what, pressure=_inside(said))
    if incident.is_alertable and len(incident.families) < 2:
        return BOOK.say(language, "places", name=name, what=what, count=str(len(incident.children)))
    return BOOK.say(language, "together" if incident.is_alertable else "single", name=name, what=what)


def name_incident(language: Language, incident: Incident, node: str) -> str:
    """Return what people call the place of an incident: `web-1 on alpha`; a host by its name alone."""
    name = called(incident)
    return BOOK.say(language, "at", name=name, node=node) if name else node


def _inside(said: str) -> str:
    """What was said as a sentence, as a part of one."""
    return said[:1].lower() + said[1:]


def unit_of(metric: str) -> str:
    """Return the unit anomalies of a metric are told in."""
    known = BY_NAME.get(metric)
    if known is None:
        return ""
    return f"{known.unit}/s" if is_count(metric) and metric not in TOTALS else known.unit


def told_value(metric: str, value: float, row_ms: int) -> float:
    """Return a row's value in the unit it is told in: a count's as a rate."""
    return value * 1000 / row_ms if is_count(metric) and metric not in TOTALS else value


def _shown(language: Language, metric: str, value: float, row_ms: int) -> str:
    return amount(language, told_value(metric, value, row_ms), unit_of(metric))


def _time(language: Language, found: Anomaly) -> str:
    if found.row_ms >= 2 * _HOUR_MS:
        return BOOK.say(language, "hours", count=str(found.row_ms // _HOUR_MS))
    return BOOK.say(language, "minutes", count=str(max(1, found.row_ms // _MINUTE_MS)))


def _families(language: Language, families: tuple[str, ...]) -> str:
    words = [
        _FAMILIES[each].in_language(language) if each in _FAMILIES else noun(each).in_language(language)
        for each in families
    ]
    last = " e " if language is Language.IT else " and "
    return last.join((", ".join(words[:-1]), words[-1])) if len(words) > 1 else words[0]
