"""An experiment in words, for a terminal. Pure."""

from __future__ import annotations

from typing import Any

from agent.cli.output import moment
from agent.cli.rollout_words import percent

_NAMES = {
    "error_rate": "errors",
    "success_rate": "success",
    "latency_p50": "p50",
    "latency_p95": "p95",
}


def lines_of(view: dict[str, Any]) -> list[str]:
    """Return what an experiment is, how it stands, and what can be concluded from it, metric by metric."""
    lines = [f"{view['service_id']}: {view['state']}: {view['progress']}"]
    lines += [f"{name:<9} {_variant(view[name])}" for name in ("a", "b")]
    lines.append(f"b gets    {_whose(view)}")
    lines += _times(view)
    if view.get("waiting_for"):
        lines.append(f"routers   not yet in force on {', '.join(view['waiting_for'])}")
    if view.get("reason") and view["reason"] != view["progress"]:
        lines.append(f"reason    {view['reason']}")
    comparison = view.get("comparison")
    if comparison:
        lines += _compared(comparison)
        lines += [f"note      {note}" for note in view.get("notes") or ()]
    return lines


def _variant(variant: dict[str, Any]) -> str:
    return f"revision {variant['revision']}: {variant['image']}, {variant['replicas']} ready"


def _whose(view: dict[str, Any]) -> str:
    words = [f"{match['kind']} {match['name']}={match['value']}" for match in view["matches"]]
    if view["permille"]:
        rest = "of all others" if words else "of all requests"
        sticky = ", each visitor always the same" if view["is_sticky"] else ""
        words.append(f"{percent(view['permille'])} {rest}{sticky}")
    return "; ".join(words)


def _times(view: dict[str, Any]) -> list[str]:
    lines = []
    if view.get("began_at_ms"):
        lines.append(f"began     {moment(view['began_at_ms'])}")
    if view.get("ended_at_ms"):
        by = f" by {view['ended_by']}" if view.get("ended_by") else ", as planned"
        lines.append(f"ended     {moment(view['ended_at_ms'])}{by}; {view.get('kept') or 'neither'} is kept")
    elif view.get("ends_at_ms"):
        lines.append(f"ends      {moment(view['ends_at_ms'])}; {view['keep_at_end']} is kept then")
    elif view["state"] not in ("ended", "failed"):
        lines.append(f"ends      when somebody ends it: tower experiment end {view['service_id']} --keep a|b")
    return lines


def _compared(comparison: dict[str, Any]) -> list[str]:
    lines = [
        f"requests  a {comparison['a_requests']} ({comparison['a_lost']} lost),"
        f" b {comparison['b_requests']} ({comparison['b_lost']} lost)"
    ]
    for metric in comparison["metrics"]:
        name = _NAMES.get(metric["metric"], metric["metric"])
        a, b = (_measured(metric[which], metric["unit"]) for which in ("a", "b"))
        lines.append(f"{name:<9} a {a}, b {b}")
        lines.append(f"          {metric['words']}")
    return lines


def _measured(measured: dict[str, Any], unit: str) -> str:
    value, low, high = measured["value"], measured["low"] or 0.0, measured["high"]
    if value is None:
        return "unknown"
    if unit == "ratio":
        return f"{value:.2%} ({low:.2%} to {1.0 if high is None else high:.2%})"
    return f"{value:.3g} ms ({low:.3g} to {'any' if high is None else f'{high:.3g}'})"
