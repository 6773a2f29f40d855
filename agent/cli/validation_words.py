"""What a check of a deployment found, and its plan, for a terminal. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from agent.cli.output import duration, in_bytes

_STEP_PERMILLE = 10


def finding_line(finding: dict[str, Any]) -> str:
    """Return one finding: `error: image: shop.web: h1 cannot have it (check the tag)`."""
    place = ""
    if finding.get("line"):
        file = finding.get("file") or "line"
        place = f"{file}:{finding['line']}:{finding['column']}: "
    subject = finding.get("service") or finding.get("field") or ""
    subject = f"{subject}: " if subject else ""
    hint = f" ({finding['hint']})" if finding.get("hint") else ""
    return f"{place}{finding['level']}: {finding['check']}: {subject}{finding['rule']}{hint}"


def plan_lines(plan: Sequence[dict[str, Any]]) -> list[str]:
    """Return how each service would be rolled out, some lines for each."""
    lines = []
    for each in plan:
        if each["order"] == "none":
            lines.append(f"{each['service_id']}: {each['reason']}")
            continue
        batches = f", {each['batches']} batches" if each["batches"] > 1 else ""
        about = duration(each["estimate_s"])
        lines.append(
            f"{each['service_id']}: {each['order']}{batches}, about {about} without pulls: {each['reason']}"
        )
        if each["steps_permille"]:
            steps = " > ".join(f"{share / _STEP_PERMILLE:g}%" for share in each["steps_permille"])
            lines.append(f"  steps     {steps}")
        if each["merged"]:
            lines.append(f"  merged    {each['merged']}")
        lines += (f"  meanwhile {_load(load)}" for load in each["extra"])
        lines += (f"  not kept  {drop}" for drop in each["drops"])
    return lines


def summary(errors: int, warnings: int) -> str:
    """Return the counts in words."""
    counts = [(errors, "error"), (warnings, "warning")]
    words = [f"{count} {word}{'' if count == 1 else 's'}" for count, word in counts if count]
    return " and ".join(words) if words else "nothing is wrong"


def _load(load: dict[str, Any]) -> str:
    containers = load["containers"]
    words = f"{load['node_name']} has {containers} container{'' if containers == 1 else 's'} more"
    reserved = []
    if load["cpu_millis"]:
        reserved.append(f"{load['cpu_millis'] / 1000:g} CPU")
    if load["memory_bytes"]:
        reserved.append(in_bytes(load["memory_bytes"]))
    return words + (f", {' and '.join(reserved)} reserved" if reserved else "")
