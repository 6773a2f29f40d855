"""How a service is scaled by itself, in lines for people."""

from __future__ import annotations

from typing import Any

from agent.cli.output import moment

_UNITS = {"cpu": " %", "memory": " %", "requests_per_second": "/s", "latency_p95": " ms"}
CHANGES_SHOWN = 3


def scaling_lines(service: dict[str, Any]) -> list[str]:
    """Return bounds, each target beside what is observed, and the newest changes with their reasons."""
    lines = []
    scaling = service.get("scaling")
    if scaling:
        held = scaling["held_by"]
        how = f", but {held} holds the number until the next deployment" if held else f"; {scaling['reason']}"
        lines.append(f"scaling   between {scaling['min']} and {scaling['max']}{how}")
        lines += [f"target    {_metric(each)}" for each in scaling["metrics"]]
    for change in service.get("scalings", ())[:CHANGES_SHOWN]:
        why = f": {change['reason']}" if change["reason"] else ""
        by = f" by {change['by']}" if change["by"] else ""
        lines.append(
            f"scaled    {moment(change['at_ms'])} from {change['replicas_before']} to"
            f" {change['replicas']}{by}{why}"
        )
    return lines


def _metric(each: dict[str, Any]) -> str:
    unit = _UNITS.get(each["metric"], "")
    if each["observed"] is None:
        return f"{each['metric']} {each['target']}{unit}, no numbers now"
    asked = "" if each["wanted"] is None else f", asks for {each['wanted']} replicas"
    return f"{each['metric']} {each['observed']:g} of {each['target']}{unit}{asked}"
