"""How much room there is, and what would become of it, in words."""

from __future__ import annotations

import math
from collections.abc import Sequence

from cluster.analytics.capacity import COMFORTABLE_PERCENT, Amount, HostRoom
from cluster.analytics.sentences import Language, Phrasebook, Text, amount, number, percent

BOOK = Phrasebook(
    {
        "free": Text("{name} has {free} free, of {size}", "{name}: liberi {free}, su {size}"),
        "not-known": Text(
            "{name}: how large it is, or what it uses, is not known yet",
            "{name}: non si sa ancora quanto è grande o quanto usa",
        ),
        "cores": Text("{count} processors", "{count} processori"),
        "core": Text("{count} processor", "{count} processore"),
        "and": Text("{one} and {other}", "{one} e {other}"),
        "tight": Text(
            "{name} is short of room: {shares} in its worst hours",
            "{name} ha poco spazio: {shares} nelle ore peggiori",
        ),
        "few-hours": Text(
            "{name} was measured for {hours} h so far: worse hours may come",
            "{name}: misure per {hours} h finora: possono venire ore peggiori",
        ),
        "cpu-share": Text("{share} of its processors", "{share} dei processori"),
        "memory-share": Text("{share} of its memory", "{share} della memoria"),
        "survives": Text(
            "the loss of any one host is survived: all replicas find room on the others",
            "la perdita di un host qualsiasi si supera: tutte le repliche trovano posto sugli altri",
        ),
        "loses": Text(
            "without {name}, not all of its replicas find another host ({staying} of {all} do not): {reason}",
            "senza {name}, non tutte le sue repliche trovano un altro host ({staying} su {all} no): {reason}",
        ),
        "loses-tight": Text(
            "without {name}, {hosts} would be short of room", "senza {name}, a {hosts} mancherebbe spazio"
        ),
        "loses-none": Text(
            "without {name}, its replicas ({all}) find room on the others",
            "senza {name}, le sue repliche ({all}) trovano posto sugli altri",
        ),
        "only-host": Text(
            "there is no other host: what runs on {name} stops with it",
            "non c'è un altro host: ciò che gira su {name} si ferma con lui",
        ),
        "adds": Text(
            "there is room for {count} more of {name}: {hosts}",
            "c'è posto per {count} in più di {name}: {hosts}",
        ),
        "adds-some": Text(
            "there is room for {fit} of {count} more of {name}; then: {reason}",
            "c'è posto per {fit} su {count} in più di {name}; poi: {reason}",
        ),
        "adds-tight": Text("then {hosts} would be short of room", "poi a {hosts} mancherebbe spazio"),
    }
)


def tell_room(language: Language, room: HostRoom) -> tuple[str, ...]:
    """Return how much of a host, or of all of them, is free, and whether that is comfortable."""
    free = _amount(language, room.free)
    if not room.is_known:
        return (BOOK.say(language, "not-known", name=room.name),)
    said = [BOOK.say(language, "free", name=room.name, free=free, size=_amount(language, room.size))]
    if not room.is_comfortable:
        said.append(BOOK.say(language, "tight", name=room.name, shares=_shares(language, room)))
    if room.is_new:
        said.append(BOOK.say(language, "few-hours", name=room.name, hours=str(room.hours_known)))
    return tuple(said)


def tell_loss(
    language: Language, name: str, *, replicas: int, staying: int, reason: str, tight: Sequence[str]
) -> str:
    """Return what the loss of a host does to its `replicas`."""
    if staying:
        return BOOK.say(language, "loses", name=name, staying=str(staying), all=str(replicas), reason=reason)
    if tight:
        return BOOK.say(language, "loses-tight", name=name, hosts=", ".join(tight))
    return BOOK.say(language, "loses-none", name=name, all=str(replicas))


def tell_survival(language: Language) -> str:
    """Return that any one host may be lost."""
    return BOOK.say(language, "survives")


def tell_only_host(language: Language, name: str) -> str:
    """Return that there is nowhere else."""
    return BOOK.say(language, "only-host", name=name)


def tell_more(
    language: Language, service: str, *, asked: int, hosts: Sequence[str], reason: str, tight: Sequence[str]
) -> tuple[str, ...]:
    """Return whether more replicas fit, where, and what that leaves."""
    if len(hosts) < asked:
        said = BOOK.say(
            language, "adds-some", name=service, fit=str(len(hosts)), count=str(asked), reason=reason
        )
    else:
        said = BOOK.say(language, "adds", name=service, count=str(asked), hosts=", ".join(hosts))
    if tight:
        return said, BOOK.say(language, "adds-tight", hosts=", ".join(tight))
    return (said,)


def _amount(language: Language, what: Amount) -> str:
    parts = []
    if what.memory_bytes is not None:
        parts.append(amount(language, what.memory_bytes, "bytes"))
    if what.cpu_cores is not None:
        # A tenth of a processor is as much as a person plans with; never more than there is.
        count = number(language, math.floor(what.cpu_cores * 10 + 1e-6) / 10)
        parts.append(BOOK.say(language, "core" if count == "1" else "cores", count=count))
    return BOOK.say(language, "and", one=parts[0], other=parts[1]) if len(parts) > 1 else "".join(parts)


def _shares(language: Language, room: HostRoom) -> str:
    parts = []
    for key, share in (
        ("memory-share", room.used_percent.memory_bytes),
        ("cpu-share", room.used_percent.cpu_cores),
    ):
        if share is not None and share > COMFORTABLE_PERCENT:
            parts.append(BOOK.say(language, key, share=percent(language, share)))
    return BOOK.say(language, "and", one=parts[0], other=parts[1]) if len(parts) > 1 else "".join(parts)
