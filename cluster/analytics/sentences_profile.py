"""What a bottleneck is, what it does and what helps, in words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from cluster.analytics.profile import Bottleneck, Impact, Symptom
from cluster.analytics.sentences import Language, Phrasebook, Text, amount, percent


@dataclass(frozen=True, slots=True, kw_only=True)
class BottleneckWords:
    """A bottleneck for a person: what is seen, and what helps."""

    description: str
    fix: str


_SEEN: Mapping[Symptom, Text] = {
    Symptom.THROTTLED: Text(
        "{name} wanted a processor and was kept waiting by its own limit {value} of the time",
        "{name} voleva un processore e il suo stesso limite l'ha fatto attendere per {value} del tempo",
    ),
    Symptom.WAITS_FOR_CPU: Text(
        "tasks of {name} waited for a free processor {value} of the time",
        "i processi di {name} hanno atteso un processore libero per {value} del tempo",
    ),
    Symptom.CPU_BUSY: Text(
        "the processors of {name} were {value} busy", "i processori di {name} erano occupati al {value}"
    ),
    Symptom.CPU_STOLEN: Text(
        "other virtual machines of the same hardware took {value} of the processor time of {name}",
        "altre macchine virtuali dello stesso hardware hanno tolto a {name} {value} del tempo di processore",
    ),
    Symptom.OOM_KILLED: Text(
        "the kernel killed processes of {name} for want of memory: {value} of them",
        "il kernel ha ucciso processi di {name} per mancanza di memoria: {value}",
    ),
    Symptom.MEMORY_NEAR_LIMIT: Text(
        "{name} used {value} of the memory it may have", "{name} ha usato {value} della memoria concessa"
    ),
    Symptom.WAITS_FOR_MEMORY: Text(
        "tasks of {name} waited for memory to be freed {value} of the time",
        "i processi di {name} hanno atteso che si liberasse memoria per {value} del tempo",
    ),
    Symptom.WAITS_FOR_DISK: Text(
        "tasks of {name} waited for a disk {value} of the time",
        "i processi di {name} hanno atteso un disco per {value} del tempo",
    ),
    Symptom.IO_WAIT: Text(
        "the processors of {name} were idle {value} of the time because a disk had not answered",
        "i processori di {name} sono rimasti fermi per {value} del tempo in attesa di un disco",
    ),
    Symptom.DISK_NEARLY_FULL: Text(
        "a file system of {name} was {value} full", "un file system di {name} era pieno al {value}"
    ),
    Symptom.INODES_NEARLY_USED: Text(
        "a file system of {name} had {value} of its inodes in use",
        "un file system di {name} aveva in uso {value} degli inode",
    ),
    Symptom.REQUESTS_LOST: Text(
        "{value} of the requests to {name} got no answer",
        "{value} delle richieste a {name} non hanno avuto risposta",
    ),
    Symptom.SLOW: Text(
        "{name} answered in {value} (95 of 100 requests), usually in {threshold}, and nothing here is short",
        "{name} ha risposto in {value} (95 richieste su 100), di solito in {threshold}; qui nulla manca",
    ),
}
_FIXES: Mapping[Symptom, Text] = {
    Symptom.THROTTLED: Text(
        "raise its processor limit (deploy.resources.limits.cpus), or give the service more replicas",
        "alzare il suo limite di processore (deploy.resources.limits.cpus) o dare più repliche al servizio",
    ),
    Symptom.WAITS_FOR_CPU: Text(
        "move replicas to a host with free processors (`tower rebalance`), or reserve processors for it",
        "spostare repliche su un host con processori liberi (`tower rebalance`) o riservarne",
    ),
    Symptom.CPU_BUSY: Text(
        "add a host, or move replicas to one that is less busy (`tower rebalance`)",
        "aggiungere un host o spostare repliche su uno meno carico (`tower rebalance`)",
    ),
    Symptom.CPU_STOLEN: Text(
        "ask whoever runs the hardware for a machine of its own, or move away from this one",
        "chiedere a chi gestisce l'hardware una macchina dedicata, o lasciare questa",
    ),
    Symptom.OOM_KILLED: Text(
        "raise its memory limit, or look for a leak: does its memory rise for days?",
        "alzare il suo limite di memoria o cercare una perdita: la memoria sale da giorni?",
    ),
    Symptom.MEMORY_NEAR_LIMIT: Text(
        "raise its memory limit before it is killed, or look for a leak in its history",
        "alzare il limite di memoria prima che venga ucciso, o cercare una perdita nella sua storia",
    ),
    Symptom.WAITS_FOR_MEMORY: Text(
        "give it more memory, or move something else away from its host",
        "dare più memoria, o spostare altro via dal suo host",
    ),
    Symptom.WAITS_FOR_DISK: Text(
        "see who reads and writes most on this host, and move one of them or use a faster disk",
        "vedere chi legge e scrive di più su questo host, e spostarlo o usare un disco più veloce",
    ),
    Symptom.IO_WAIT: Text(
        "see who reads and writes most on this host, and move one of them or use a faster disk",
        "vedere chi legge e scrive di più su questo host, e spostarlo o usare un disco più veloce",
    ),
    Symptom.DISK_NEARLY_FULL: Text(
        "remove what nobody needs (`docker system df` shows images and volumes), or add space",
        "togliere ciò che non serve (`docker system df` mostra immagini e volumi) o aggiungere spazio",
    ),
    Symptom.INODES_NEARLY_USED: Text(
        "remove directories with very many small files: there is space left, but no inodes",
        "togliere cartelle con moltissimi file piccoli: lo spazio c'è, gli inode no",
    ),
    Symptom.REQUESTS_LOST: Text(
        "look at the replicas' logs and health: requests were lost between the router and them",
        "guardare log e salute delle repliche: richieste perse fra il router e loro",
    ),
    Symptom.SLOW: Text(
        "look at what it calls (database, other services): it waits for something elsewhere",
        "guardare ciò che chiama (database, altri servizi): attende qualcosa altrove",
    ),
}

BOOK = Phrasebook(
    {
        **{f"seen-{symptom.value}": text for symptom, text in _SEEN.items()},
        **{f"fix-{symptom.value}": text for symptom, text in _FIXES.items()},
        "nothing-found": Text(
            "nothing held {name} up in the last {hours} hours",
            "niente ha frenato {name} nelle ultime {hours} ore",
        ),
        "not-measured": Text(
            "nothing was measured of {name} in the last {hours} hours",
            "di {name} non è stato misurato nulla nelle ultime {hours} ore",
        ),
        "impact-low": Text("low", "basso"),
        "impact-medium": Text("medium", "medio"),
        "impact-high": Text("high", "alto"),
    }
)


def tell_bottleneck(language: Language, name: str, found: Bottleneck) -> BottleneckWords:
    """Return a bottleneck of `name` in words."""
    values = {"name": name, "value": _value(language, found)}
    if found.symptom is Symptom.SLOW:
        values["threshold"] = amount(language, found.threshold, "ms")
    return BottleneckWords(
        description=BOOK.say(language, f"seen-{found.symptom.value}", **values),
        fix=BOOK.say(language, f"fix-{found.symptom.value}"),
    )


def tell_nothing_found(language: Language, name: str, hours: int, *, is_measured: bool) -> str:
    """Return that nothing held it up, or that nobody can say."""
    key = "nothing-found" if is_measured else "not-measured"
    return BOOK.say(language, key, name=name, hours=str(hours))


def impact_word(language: Language, impact: Impact) -> str:
    """Return how bad it is."""
    return BOOK.say(language, f"impact-{impact.value}").lower()


def _value(language: Language, found: Bottleneck) -> str:
    if found.symptom is Symptom.OOM_KILLED:
        return f"{found.value:.0f}"
    if found.symptom is Symptom.SLOW:
        return amount(language, found.value, "ms")
    return percent(language, found.value)
