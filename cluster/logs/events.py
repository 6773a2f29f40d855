"""What happened to a container, as a line among its lines. Pure.

The text is a JSON object, so that surfaces can say it in their reader's language; `sentence` says it in
English.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from cluster.model.log_history import LogLevel

KEPT = frozenset({"start", "restart", "die", "oom", "pause", "unpause", "health_status", "destroy"})
"""Engine events that are kept. `stop` and `kill` say no more than the `die` that follows."""

DROPPED = "dropped"


def event_text(event: str, **facts: str | int) -> str:
    """Return the text of an event's line; facts that are empty or 0 are left out, but an exit code."""
    kept = {name: value for name, value in facts.items() if value or name == "exit_code"}
    return json.dumps({"event": event, **kept}, ensure_ascii=False, separators=(",", ":"))


def level_of_event(event: str, facts: Mapping[str, str | int]) -> LogLevel:
    """How grave it is."""
    if event == "oom":
        return LogLevel.FATAL
    if event == "die":
        return LogLevel.INFO if facts.get("exit_code") in (0, 143) else LogLevel.ERROR
    if event == DROPPED or (event == "health_status" and facts.get("health") == "unhealthy"):
        return LogLevel.WARN
    return LogLevel.INFO


def sentence(text: str) -> str:
    """Return an event's line in words; the text itself when it is none."""
    try:
        facts = json.loads(text)
        event = facts["event"]
    except (ValueError, KeyError, TypeError):
        return text
    match event:
        case "start":
            of = f" of revision {facts['revision']}" if facts.get("revision") else ""
            return f"started{of} ({facts.get('image', 'unknown image')})"
        case "restart":
            return "restarted"
        case "die":
            code = facts.get("exit_code", "?")
            return f"ended with exit code {code}"
        case "oom":
            return "out of memory: the kernel killed a process"
        case "pause":
            return "paused"
        case "unpause":
            return "goes on after a pause"
        case "health_status":
            return f"health: {facts.get('health', 'unknown')}"
        case "destroy":
            return "removed"
        case "dropped":
            return f"{facts.get('lines', '?')} lines dropped: the container wrote more than is kept"
        case _:
            return str(event)
