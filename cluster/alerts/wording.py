"""Words for alerts, in English and Italian: a sentence on what is wrong, one on what to do.

Both are made when something is seen, and kept with the alert: what it was seen with is gone later.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from cluster.model.alerts import AlertSubject, Comparison, StepStatistic, Threshold
from cluster.model.metrics import BY_NAME


@dataclass(frozen=True, slots=True)
class Said:
    """The same in every language."""

    en: str = ""
    it: str = ""

    def __bool__(self) -> bool:
        return bool(self.en)


NOTHING = Said()


def same(text: str) -> Said:
    """Return what is no sentence, such as a name or what a program said."""
    return Said(text, text)


def say(en: str, it: str, **values: Said | str) -> Said:
    """Return both templates with the values in them, each in its language."""
    return Said(
        en.format(**{key: each.en if isinstance(each, Said) else each for key, each in values.items()}),
        it.format(**{key: each.it if isinstance(each, Said) else each for key, each in values.items()}),
    )


_PHRASES = {
    "cpu_percent": Said("processor use", "l'uso del processore"),
    "throttled_percent": Said(
        "time kept waiting by its processor limit", "il tempo di attesa per il limite di processore"
    ),
    "memory_bytes": Said("memory use", "l'uso della memoria"),
    "rx_bytes_per_s": Said("traffic received", "il traffico ricevuto"),
    "tx_bytes_per_s": Said("traffic sent", "il traffico inviato"),
    "read_bytes_per_s": Said("disk reading", "la lettura da disco"),
    "write_bytes_per_s": Said("disk writing", "la scrittura su disco"),
    "pids": Said("number of tasks", "il numero di processi"),
    "cpu_iowait_percent": Said("time waiting for disks", "il tempo di attesa dei dischi"),
    "cpu_steal_percent": Said("time taken by other virtual machines", "il tempo tolto da altre macchine"),
    "swap_bytes": Said("swap use", "l'uso dello swap"),
    "pressure_cpu_percent": Said("time waiting for a processor", "il tempo di attesa del processore"),
    "pressure_memory_percent": Said("time waiting for memory", "il tempo di attesa della memoria"),
    "pressure_io_percent": Said("time waiting for disks", "il tempo di attesa dei dischi"),
    "disk_used_bytes": Said("disk use", "lo spazio occupato"),
    "inodes_used": Said("use of inodes", "l'uso degli inode"),
    "temperature_celsius": Said("temperature", "la temperatura"),
    "latency_p50_ms": Said("median latency", "la latenza mediana"),
    "latency_p95_ms": Said("latency (95 of 100 requests)", "la latenza (95 richieste su 100)"),
    "latency_p99_ms": Said("latency (99 of 100 requests)", "la latenza (99 richieste su 100)"),
}
_NEXT_STEPS = {
    "memory_bytes": Said(
        "Look for a leak in its memory history, or give it a higher limit before it is killed.",
        "Cerca una perdita nella storia della sua memoria, o alza il limite prima che venga ucciso.",
    ),
    "disk_used_bytes": Said(
        "Remove what nobody needs (`docker system df` shows images and volumes) or add space.",
        "Togli ciò che non serve (`docker system df` mostra immagini e volumi) o aggiungi spazio.",
    ),
    "inodes_used": Said(
        "Remove directories with very many small files: there is space left, but no inodes.",
        "Togli le cartelle con moltissimi file piccoli: c'è ancora spazio, ma non ci sono inode.",
    ),
    "cpu_percent": Said(
        "See what is busy in its history, and give it more room or more replicas.",
        "Guarda nella sua storia che cosa lavora, e dagli più spazio o più repliche.",
    ),
    "throttled_percent": Said(
        "Raise its processor limit, or give the service more replicas.",
        "Alza il suo limite di processore, o dai al servizio più repliche.",
    ),
    "temperature_celsius": Said(
        "Look at the fans and at the room before the hardware slows itself down.",
        "Controlla le ventole e la stanza prima che l'hardware si rallenti da solo.",
    ),
}
_OTHER_STEP = Said(
    "Look at its history, and at what was deployed or changed just before.",
    "Guarda la sua storia, e che cosa è stato installato o cambiato poco prima.",
)
_KINDS = {
    "agent": Said("The agent", "L'agente"),
    "certificate": Said("Certificate", "Il certificato"),
    "cluster": Said("Cluster", "Il cluster"),
    "container": Said("Container", "Il container"),
    "disk": Said("File system", "Il file system"),
    "external": Said("External", "Esterno"),
    "host": Said("Host", "L'host"),
    "route": Said("Route", "La rotta"),
    "sensor": Said("Sensor", "Il sensore"),
    "service": Said("Service", "Il servizio"),
}


def who(subject: AlertSubject) -> Said:
    """Return the subject as a sentence begins with it: `Container web-1 on alpha`."""
    word = _KINDS.get(subject.kind) or same(subject.kind.capitalize())
    if subject.kind == "host":
        return say("{word} {name}", "{word} {name}", word=word, name=subject.name)
    where = say(" on {node}", " su {node}", node=subject.node_name) if subject.node_name else Said()
    if subject.service_id and subject.kind == "container":
        return say("{name}{where}", "{name}{where}", name=subject.name, where=where)
    if subject.kind == "agent":
        return say("{word}{where}", "{word}{where}", word=word, where=where)
    return say("{word} {name}{where}", "{word} {name}{where}", word=word, name=subject.name, where=where)


def phrase(metric: str) -> Said:
    """Return what people call a metric; in Italian with its article."""
    plain = metric.replace("_", " ")
    return _PHRASES.get(metric) or Said(plain, f"la metrica {plain}")


def next_step(metric: str) -> Said:
    """Return what to do when a metric is bad."""
    return _NEXT_STEPS.get(metric, _OTHER_STEP)


def amount(value: float, unit: str) -> Said:
    """Return a value for a person: `97 %`, `1.5 GiB`, `250 ms`; in Italian `1,5 GiB`."""
    if not math.isfinite(value):
        return Said("nothing", "niente")
    if unit in ("bytes", "bytes/s"):
        suffix = "/s" if unit == "bytes/s" else ""
        for size in ("B", "KiB", "MiB", "GiB", "TiB"):
            if abs(value) < 1024 or size == "TiB":
                return _number(f"{value:.0f}" if size == "B" else f"{value:.1f}", f" {size}{suffix}")
            value /= 1024
    return _number(
        f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}",
        f" {_UNITS.get(unit, unit)}".rstrip(),
        f" {_UNITS_IT.get(unit, _UNITS.get(unit, unit))}".rstrip(),
    )


_UNITS = {"percent": "%", "celsius": "°C", "count": "", "share": "% of its limit"}
_UNITS_IT = {"share": "% del suo limite"}
_SWAPPED = str.maketrans(",.", ".,")


def _number(text: str, unit: str, unit_it: str | None = None) -> Said:
    return Said(text + unit, text.translate(_SWAPPED) + (unit if unit_it is None else unit_it))


def span(duration_ms: int) -> Said:
    """Return a time for a person: `45 s`, `10 min`, `3 h`, `12 days`."""
    for unit_ms, word, parola in (
        (86_400_000, "days", "giorni"),
        (3_600_000, "h", "h"),
        (60_000, "min", "min"),
    ):
        if duration_ms >= 2 * unit_ms or (duration_ms >= unit_ms and word != "days"):
            return _number(f"{duration_ms / unit_ms:.3g}", f" {word}", f" {parola}")
    return _number(f"{duration_ms / 1000:.3g}", " s")


def threshold_text(
    subject: AlertSubject, metric: str, threshold: Threshold, value: float, *, for_ms: int
) -> Said:
    """Return what is wrong with a value, as a sentence."""
    unit = "share" if threshold.is_percent_of_limit else BY_NAME[metric].unit
    bound_unit = "percent" if threshold.is_percent_of_limit else unit
    is_above = threshold.comparison is Comparison.ABOVE
    return say(
        "{who}: {which}{phrase} is {value}, {side} {bound}{how_long}.",
        "{who}: {phrase}{which} è {value}, {side} {bound}{how_long}.",
        who=who(subject),
        which=_WHICH.get(threshold.statistic, Said()),
        phrase=phrase(metric),
        value=amount(value, unit),
        side=Said("above", "sopra") if is_above else Said("below", "sotto"),
        bound=amount(threshold.value, bound_unit),
        how_long=say(" for {span}", " per {span}", span=span(for_ms)) if for_ms else Said(),
    )


_WHICH = {
    StepStatistic.MAX: Said("highest ", " (massimo)"),
    StepStatistic.MIN: Said("lowest ", " (minimo)"),
}
