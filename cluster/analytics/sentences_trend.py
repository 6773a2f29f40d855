"""What a trend, a time until something is full, a forecast and a comparison are in words."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cluster.analytics.comparison import DAYS_MIN as COMPARED_DAYS_MIN
from cluster.analytics.comparison import Comparison, Difference
from cluster.analytics.exhaustion import Exhaustion, Outlook
from cluster.analytics.forecast import HourlyPath
from cluster.analytics.levels import Level
from cluster.analytics.pace import Shape
from cluster.analytics.sentences import (
    Language,
    Phrasebook,
    Text,
    about_days,
    amount,
    between,
    noun,
    percent,
)
from cluster.analytics.trend import Trend, Verdict

PERCENT_TOLD_MIN = 1.0
"""A change of a week below this is told as none."""
PERCENT_TOLD_MAX = 1000.0
"""A change of more per cent begins at next to nothing, and says no more than that."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Topic:
    """What sentences are about: its name, the metric and the metric's unit."""

    name: str
    metric: str
    unit: str


BOOK = Phrasebook(
    {
        "grew": Text(
            "{name} {metric} grew {percent} last week",
            "{metric} di {name}: +{percent} nell'ultima settimana",
        ),
        "fell": Text(
            "{name} {metric} fell {percent} last week",
            "{metric} di {name}: -{percent} nell'ultima settimana",
        ),
        "stable": Text("{name} {metric} is stable at {level}", "{metric} di {name}: stabile a {level}"),
        "rising": Text(
            "it rises by {per_day} a day, and is at {level}", "sale di {per_day} al giorno, ora è a {level}"
        ),
        "falling": Text(
            "it falls by {per_day} a day, and is at {level}", "scende di {per_day} al giorno, ora è a {level}"
        ),
        "few-days": Text(
            "{name} {metric}: too little is known to tell a trend: {known} of {needed} days",
            "{metric} di {name}: si sa troppo poco per una tendenza: giorni noti {known} su {needed}",
        ),
        "nothing": Text(
            "{name} {metric}: nothing was measured in this time",
            "{metric} di {name}: nessuna misura in questo periodo",
        ),
        "week": Text("expected in a week: {level}{range}", "previsto fra una settimana: {level}{range}"),
        "month": Text("expected in a month: {level}{range}", "previsto fra un mese: {level}{range}"),
        "week-full": Text(
            "expected in a week: {level}{range}, full by then",
            "previsto fra una settimana: {level}{range}, a quel punto non resta spazio",
        ),
        "month-full": Text(
            "expected in a month: {level}{range}, full by then",
            "previsto fra un mese: {level}{range}, a quel punto non resta spazio",
        ),
        "range": Text(" ({low} to {high})", " (da {low} a {high})"),
        "reaches": Text(
            "{name} reaches {share} {resource} in {when}", "{name} raggiunge {share} {resource} fra {when}"
        ),
        "reached": Text("{name} has reached {share} {resource}", "{name} ha raggiunto {share} {resource}"),
        # Processors are used, not filled: an hour says nothing of the next.
        "reached-lately": Text(
            "{name} used more than {share} {resource} in its last hour",
            "{name} ha superato {share} {resource} nell'ultima ora",
        ),
        "not-within-a-year": Text(
            "{name} does not reach {share} {resource} within a year",
            "{name} non raggiunge {share} {resource} entro un anno",
        ),
        "not-growing": Text(
            "{name} does not grow towards {share} {resource}", "{name} non cresce verso {share} {resource}"
        ),
        "shrinking": Text(
            "{name} moves away from {share} {resource}", "{name} si allontana da {share} {resource}"
        ),
        "insufficient-data": Text(
            "when {name} reaches {share} {resource} can be told after a week of days; known so far: {known}",
            "quando {name} raggiunga {share} {resource} si può dire dopo una settimana di giorni; noti"
            " finora: {known}",
        ),
        "no-limit": Text(
            "no limit is known for it, so nothing can be said of when it is used up",
            "non si conosce un limite, quindi nulla si può dire del suo esaurimento",
        ),
        "because-cleanup": Text(
            "a range, because something was cleaned up in between",
            "un intervallo, perché nel frattempo è stato liberato spazio",
        ),
        "because-jump": Text(
            "a range, because it once grew by a lot at a time",
            "un intervallo, perché una volta è cresciuto molto in un colpo",
        ),
        "because-saw-tooth": Text(
            "it rises and is emptied every {period} days, as log rotation does; the range is from its tops"
            " to its middle",
            "sale e viene svuotato ogni {period} giorni, come fa la rotazione dei log; l'intervallo va dai"
            " picchi alla media",
        ),
        "because-accelerating": Text(
            "a range, because it grew faster in the last week than before",
            "un intervallo, perché nell'ultima settimana è cresciuto più in fretta di prima",
        ),
        "because-compound": Text(
            "a range, because it grows by a share of what there is; the later end is if it only goes on by as"
            " much a day as now",
            "un intervallo, perché cresce in proporzione a quanto c'è; il termine più lontano vale se"
            " continua soltanto al passo di oggi",
        ),
        "because-slowing": Text(
            "a range, because it grew more slowly in the last week than before",
            "un intervallo, perché nell'ultima settimana è cresciuto più lentamente di prima",
        ),
        "because-sudden": Text(
            "it began to grow in the last 12 hours as it never did before",
            "nelle ultime 12 ore ha cominciato a crescere come mai prima",
        ),
        "peaks": Text("its daily peaks get there in {when}", "i picchi giornalieri ci arrivano fra {when}"),
        "day": Text(
            "{name} {metric} in the next 24 hours: {low} to {high} on average by the hour, highest at {at}",
            "{metric} di {name} nelle prossime 24 ore: da {low} a {high} in media oraria, massimo alle {at}",
        ),
        "day-interval": Text(
            "in 9 of 10 hours it stays between {low} and {high}", "in 9 ore su 10 resta fra {low} e {high}"
        ),
        "no-day": Text(
            "{name} {metric}: the next day needs a day of samples; known so far: {known} h",
            "{metric} di {name}: per il prossimo giorno serve un giorno di misure; note finora: {known} h",
        ),
        "no-interval": Text(
            "how far off this may be takes a week of samples to tell",
            "quanto possa sbagliare si può dire dopo una settimana di misure",
        ),
        "reserve": Text(
            "reserve {level} for it: its worst hours in a month, with the interval",
            "riservare {level}: le ore peggiori fra un mese, con l'intervallo",
        ),
        "higher": Text(
            "{name} {metric} was {change} higher than usual: {current}, usually {baseline}",
            "{metric} di {name} più del solito ({change}): {current}, di solito {baseline}",
        ),
        "lower": Text(
            "{name} {metric} was {change} lower than usual: {current}, usually {baseline}",
            "{metric} di {name} meno del solito ({change}): {current}, di solito {baseline}",
        ),
        "far-higher": Text(
            "{name} {metric} was far higher than usual: {current}, usually {baseline}",
            "{metric} di {name} molto più del solito: {current}, di solito {baseline}",
        ),
        "same": Text(
            "{name} {metric} was as usual: {current}, usually {baseline}",
            "{metric} di {name} come al solito: {current}, di solito {baseline}",
        ),
        "not-comparable": Text(
            "{name} {metric}: too little is known to compare with: {known} of {needed} days before",
            "{metric} di {name}: si sa troppo poco per un confronto: giorni precedenti {known} su {needed}",
        ),
    }
)

_RESOURCES = {
    "memory_bytes": Text("RAM", "della RAM"),
    "disk_used_bytes": Text("of its space", "dello spazio"),
    "inodes_used": Text("of its inodes", "degli inode"),
    "cpu_percent": Text("of the processors", "dei processori"),
    "swap_bytes": Text("of its swap", "dello swap"),
}
_FILLED = frozenset({"memory_bytes", "disk_used_bytes", "inodes_used", "swap_bytes"})
"""What can be full; processors at their most are not."""
_OF_LIMIT = Text("of its limit", "del limite")


def tell_trend(language: Language, topic: Topic, trend: Trend) -> tuple[str, ...]:
    """Return what there is to say of a trend, the most important first."""
    if trend.verdict is Verdict.INSUFFICIENT or trend.level is None:
        if not trend.days_known:
            return (_say(language, topic, "nothing"),)
        known, needed = str(trend.days_known), str(trend.days_needed)
        return (_say(language, topic, "few-days", known=known, needed=needed),)
    level = amount(language, trend.level, topic.unit)
    if trend.verdict is Verdict.STABLE or trend.per_day is None:
        said = [_say(language, topic, "stable", level=level)]
    else:
        is_rising = trend.verdict is Verdict.INCREASING
        said = []
        week = trend.percent_last_week
        if week is not None and abs(week) >= PERCENT_TOLD_MIN and (week > 0) == is_rising:
            said.append(
                _say(language, topic, "grew" if is_rising else "fell", percent=percent(language, abs(week)))
            )
        per_day = (
            amount(language, abs(trend.per_day), topic.unit)
            if trend.percent_per_day is None
            else percent(language, abs(trend.percent_per_day))
        )
        if trend.newest is not None:
            level = amount(language, trend.newest, topic.unit)
        rate = BOOK.say(language, "rising" if is_rising else "falling", per_day=per_day, level=level)
        said.append(rate if said else _about(language, topic, rate))
    return (*said, *tell_levels(language, topic, trend.levels))


def tell_levels(language: Language, topic: Topic, levels: tuple[Level, ...]) -> tuple[str, ...]:
    """Return the levels of next week and month."""
    said = []
    for level in levels:
        reach = ""
        if level.low is not None and level.high is not None and level.low < level.high:
            reach = BOOK.say(
                language,
                "range",
                low=amount(language, level.low, topic.unit),
                high=amount(language, level.high, topic.unit),
            )
        key = "week" if level.days_ahead <= 7 else "month"
        if level.is_full and topic.metric in _FILLED:
            key += "-full"
        said.append(BOOK.say(language, key, level=amount(language, level.expected, topic.unit), range=reach))
    return tuple(said)


def tell_exhaustion(
    language: Language, topic: Topic, found: Exhaustion, share_percent: float
) -> tuple[str, ...]:
    """Return when that share of a limit is reached, or why nothing is said, and why a range is one."""
    resource = _RESOURCES.get(topic.metric, _OF_LIMIT).in_language(language)
    share = percent(language, share_percent)
    if language is Language.IT:
        share = f"{_article(share)}{share}"
    about = {"name": topic.name, "share": share, "resource": resource}
    if found.outlook is Outlook.NO_LIMIT:
        return (BOOK.say(language, "no-limit"),)
    if found.outlook is Outlook.FULL:
        is_used_anew = topic.metric == "cpu_percent"
        return (BOOK.say(language, "reached-lately" if is_used_anew else "reached", **about),)
    if found.outlook is Outlook.INSUFFICIENT:
        return (BOOK.say(language, "insufficient-data", known=str(found.days_known), **about),)
    if found.outlook is not Outlook.FILLING or found.days is None or found.soonest_days is None:
        return (BOOK.say(language, found.outlook.value, **about),)
    when = (
        between(language, found.soonest_days, found.latest_days)
        if found.is_range and found.shape is not Shape.SUDDEN
        else about_days(language, found.days)
    )
    said = [BOOK.say(language, "reaches", when=when, **about)]
    if found.shape is not None and found.shape is not Shape.STEADY and (found.is_range or found.period_days):
        period = {"period": str(found.period_days)} if found.shape is Shape.SAW_TOOTH else {}
        said.append(BOOK.say(language, f"because-{found.shape.value}", **period))
    if found.peaks_days is not None:
        said.append(BOOK.say(language, "peaks", when=about_days(language, found.peaks_days)))
    return tuple(said)


def _article(share: str) -> str:
    return "l'" if share.startswith("8") or share == "11 %" else "il "


def tell_path(language: Language, topic: Topic, path: HourlyPath, *, hours_known: int) -> tuple[str, ...]:
    """Return what the next 24 hours bring."""
    if not len(path.expected):
        if not hours_known:
            return (_say(language, topic, "nothing"),)
        return (_say(language, topic, "no-day", known=str(hours_known)),)
    highest = int(path.times_ms[int(np.argmax(path.expected))])
    said = [
        _say(
            language,
            topic,
            "day",
            low=amount(language, float(path.expected.min()), topic.unit),
            high=amount(language, float(path.expected.max()), topic.unit),
            at=f"{highest // 3_600_000 % 24:02d}:{highest // 60_000 % 60:02d} UTC",
        )
    ]
    if path.low is None or path.high is None:
        said.append(BOOK.say(language, "no-interval"))
    else:
        said.append(
            BOOK.say(
                language,
                "day-interval",
                low=amount(language, float(path.low.min()), topic.unit),
                high=amount(language, float(path.high.max()), topic.unit),
            )
        )
    return tuple(said)


def tell_reservation(language: Language, topic: Topic, value: float) -> str:
    """Return the advice to reserve so much."""
    return BOOK.say(language, "reserve", level=amount(language, value, topic.unit))


def tell_comparison(language: Language, topic: Topic, found: Comparison) -> str:
    """Return how a window differs from the same hours of the days before."""
    if found.difference is Difference.INSUFFICIENT or found.current is None or found.baseline is None:
        return _say(language, topic, "not-comparable", known=str(found.days), needed=str(COMPARED_DAYS_MIN))
    figures = {
        "current": amount(language, found.current, topic.unit),
        "baseline": amount(language, found.baseline, topic.unit),
    }
    if found.difference is Difference.SAME:
        return _say(language, topic, "same", **figures)
    if found.percent is not None and found.percent > PERCENT_TOLD_MAX:
        return _say(language, topic, "far-higher", **figures)
    change = (
        amount(language, abs(found.current - found.baseline), topic.unit)
        if found.percent is None
        else percent(language, abs(found.percent))
    )
    return _say(language, topic, found.difference.value, change=change, **figures)


def _say(language: Language, topic: Topic, key: str, **values: str) -> str:
    return BOOK.say(language, key, name=topic.name, metric=noun(topic.metric).in_language(language), **values)


def _about(language: Language, topic: Topic, sentence: str) -> str:
    """A sentence that says "it", with what it is about."""
    metric = noun(topic.metric).in_language(language)
    about = f"{metric} di {topic.name}" if language is Language.IT else f"{topic.name} {metric}"
    return f"{about[:1].upper()}{about[1:]}: {sentence[:1].lower()}{sentence[1:]}"
