"""Words for alerts: one sentence on what is wrong, one on what to do."""

from __future__ import annotations

import math

from cluster.model.alerts import AlertSubject, Comparison, StepStatistic, Threshold
from cluster.model.metrics import BY_NAME

_PHRASES = {
    "cpu_percent": "processor use",
    "throttled_percent": "time kept waiting by its processor limit",
    "memory_bytes": "memory use",
    "rx_bytes_per_s": "traffic received",
    "tx_bytes_per_s": "traffic sent",
    "read_bytes_per_s": "disk reading",
    "write_bytes_per_s": "disk writing",
    "pids": "number of tasks",
    "cpu_iowait_percent": "time waiting for disks",
    "cpu_steal_percent": "time taken by other virtual machines",
    "swap_bytes": "swap use",
    "pressure_cpu_percent": "time waiting for a processor",
    "pressure_memory_percent": "time waiting for memory",
    "pressure_io_percent": "time waiting for disks",
    "disk_used_bytes": "disk use",
    "inodes_used": "use of inodes",
    "temperature_celsius": "temperature",
    "latency_p50_ms": "median latency",
    "latency_p95_ms": "latency (95 of 100 requests)",
    "latency_p99_ms": "latency (99 of 100 requests)",
}
_NEXT_STEPS = {
    "memory_bytes": "Look for a leak in its memory history, or give it a higher limit before it is killed.",
    "disk_used_bytes": "Remove what nobody needs (`docker system df` shows images and volumes) or add space.",
    "inodes_used": "Remove directories with very many small files: there is space left, but no inodes.",
    "cpu_percent": "See what is busy in its history, and give it more room or more replicas.",
    "throttled_percent": "Raise its processor limit, or give the service more replicas.",
    "temperature_celsius": "Look at the fans and at the room before the hardware slows itself down.",
}


def who(subject: AlertSubject) -> str:
    """Return the subject as a sentence begins with it: `Container web-1 on alpha`."""
    if subject.kind == "host":
        return f"Host {subject.name}"
    where = f" on {subject.node_name}" if subject.node_name else ""
    if subject.service_id and subject.kind == "container":
        return f"{subject.name}{where}"
    word = {"disk": "File system", "agent": "The agent"}.get(subject.kind, subject.kind.capitalize())
    return f"{word} {subject.name}{where}" if subject.kind != "agent" else f"{word}{where}"


def phrase(metric: str) -> str:
    """Return what people call a metric."""
    return _PHRASES.get(metric, metric.replace("_", " "))


def next_step(metric: str) -> str:
    """Return what to do when a metric is bad."""
    return _NEXT_STEPS.get(metric, "Look at its history, and at what was deployed or changed just before.")


def amount(value: float, unit: str) -> str:
    """Return a value for a person: `97 %`, `1.5 GiB`, `250 ms`."""
    if not math.isfinite(value):
        return "nothing"
    if unit in ("bytes", "bytes/s"):
        suffix = "/s" if unit == "bytes/s" else ""
        for size in ("B", "KiB", "MiB", "GiB", "TiB"):
            if abs(value) < 1024 or size == "TiB":
                return f"{value:.0f} {size}{suffix}" if size == "B" else f"{value:.1f} {size}{suffix}"
            value /= 1024
    number = f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
    return f"{number} {_UNITS.get(unit, unit)}".strip()


_UNITS = {"percent": "%", "celsius": "°C", "count": "", "share": "% of its limit"}


def span(duration_ms: int) -> str:
    """Return a time for a person: `45 s`, `10 min`, `3 h`, `12 days`."""
    for unit_ms, word in ((86_400_000, "days"), (3_600_000, "h"), (60_000, "min")):
        if duration_ms >= 2 * unit_ms or (duration_ms >= unit_ms and word != "days"):
            return f"{duration_ms / unit_ms:.3g} {word}"
    return f"{duration_ms / 1000:.3g} s"


def threshold_text(
    subject: AlertSubject, metric: str, threshold: Threshold, value: float, *, for_ms: int
) -> str:
    """Return what is wrong with a value, as a sentence."""
    unit = "share" if threshold.is_percent_of_limit else BY_NAME[metric].unit
    bound_unit = "percent" if threshold.is_percent_of_limit else unit
    side = "above" if threshold.comparison is Comparison.ABOVE else "below"
    how_long = f" for {span(for_ms)}" if for_ms else ""
    which = {StepStatistic.MAX: "highest ", StepStatistic.MIN: "lowest "}.get(threshold.statistic, "")
    return (
        f"{who(subject)}: {which}{phrase(metric)} is {amount(value, unit)},"
        f" {side} {amount(threshold.value, bound_unit)}{how_long}."
    )
