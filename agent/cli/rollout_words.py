"""A rollout in words, for a line in a log and for a terminal. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from agent.cli.output import moment

SUCCEEDED = "succeeded"
ROLLED_BACK = "rolled-back"
TERMINAL = frozenset({SUCCEEDED, ROLLED_BACK, "failed", "cancelled"})
_BAR_CELLS = 20
_REPLICAS_SHOWN = 6
_COMMAND_CHARS = 60


def line_of(rollout: dict[str, Any]) -> str:
    """Return where a rollout stands in one line: `shop.web: running: 1 of 2 replicas on revision 2`."""
    line = f"{rollout.get('service_id', rollout['id'])}: {rollout['phase']}: {rollout.get('progress', '')}"
    steering = rollout.get("steering")
    if steering:
        line += f" ({steering.get('by') or 'somebody'} asked to {steering['steer']})"
    return line


def is_waiting_for_approval(rollout: dict[str, Any]) -> bool:
    """Whether nothing goes on before a person lets it."""
    is_asked = (rollout.get("stage") or {}).get("name") == "approve"
    return rollout["phase"] not in TERMINAL and is_asked and "approve" in (rollout.get("can") or ())


def _may_be_approved_ahead(rollout: dict[str, Any]) -> bool:
    can = "approve" in (rollout.get("can") or ())
    return rollout["phase"] not in TERMINAL and can and not is_waiting_for_approval(rollout)


def details_of(rollout: dict[str, Any]) -> list[str]:
    """Return what else there is to say: steps, shares and routers, replicas under way, what was measured."""
    lines = hook_lines(rollout.get("hooks") or ())
    stage = rollout.get("stage")
    if stage:
        lines.append(f"steps     {_steps(stage)}")
        if stage.get("hold_until_ms"):
            lines.append(f"held      at least until {moment(stage['hold_until_ms'])}")
    split = rollout.get("split")
    if split:
        lines += split_lines(split) if stage else []
    moving = [_replica(step) for step in rollout.get("replicas") or () if _is_moving(step)]
    lines += [f"replica   {words}" for words in moving[:_REPLICAS_SHOWN]]
    if len(moving) > _REPLICAS_SHOWN:
        lines.append(f"          and {len(moving) - _REPLICAS_SHOWN} more")
    lines += measured_lines(rollout.get("behaviour"))
    lines += [f"limit     {limit['text']}" for limit in rollout.get("limits") or ()]
    if rollout.get("verdict"):
        lines.append(f"verdict   {rollout['verdict']}")
    if is_waiting_for_approval(rollout):
        service = rollout.get("service_id")
        lines.append(f"approve   tower rollout approve {service}  (or: tower rollout abort {service})")
        if stage and stage.get("deadline_ms"):
            lines.append(f"          given up at {moment(stage['deadline_ms'])} when nobody does")
    if _may_be_approved_ahead(rollout):
        lines.append(
            f"approve   tower rollout approve {rollout.get('service_id')} lets it go on when its time is over"
        )
    return lines


def hook_lines(hooks: Sequence[dict[str, Any]]) -> list[str]:
    """Return a line for each hook, and what those that failed printed last."""
    lines = []
    for hook in hooks:
        command = " ".join(hook.get("command") or ())
        if len(command) > _COMMAND_CHARS:
            command = command[: _COMMAND_CHARS - 1] + "…"
        words = f"{hook['kind']}_deploy {hook['number']} `{command}`: {hook['phase']}"
        if hook.get("node_name"):
            words += f" on {hook['node_name']}"
        if hook.get("exit_code") is not None:
            words += f", exit code {hook['exit_code']}"
        if hook.get("reason"):
            words += f": {hook['reason']}"
        lines.append(f"hook      {words}")
        if hook["phase"] in ("failed", "lost"):
            lines += [f"          {line}" for line in str(hook.get("tail") or "").splitlines()]
    return lines


def split_lines(split: dict[str, Any]) -> list[str]:
    """Return how requests are shared, a line per colour, and the routers that have not said so."""
    lines = []
    for share in split.get("shares") or ():
        permille = int(share["permille"])
        bar = bar_of(permille / 1000)
        revisions = ", ".join(str(number) for number in share.get("revisions") or ()) or "none"
        lines.append(
            f"{share['colour']:<9} {bar} {percent(permille):>6}  revision {revisions},"
            f" {share.get('replicas', 0)} ready"
        )
    waiting = list(split.get("waiting_for") or ())
    down = [router["node_name"] for router in split.get("routers") or () if router.get("is_down")]
    if waiting:
        lines.append(f"routers   not yet in force on {', '.join(waiting)}")
    if down:
        lines.append(f"routers   unknown on {', '.join(down)}, which is down")
    return lines


def measured_lines(behaviour: dict[str, Any] | None) -> list[str]:
    """Return what both revisions answered, with 95 % confidence intervals."""
    if not behaviour:
        return []
    lines = [f"{which:<9} {_arm(behaviour[which])}" for which in ("old", "new") if behaviour.get(which)]
    if behaviour.get("difference") is not None:
        low, high = behaviour["difference_low"], behaviour["difference_high"]
        lines.append(
            f"compared  the new one fails {behaviour['difference']:+.2%} more ({low:+.2%} to {high:+.2%})"
        )
    return lines


def percent(permille: int) -> str:
    """Return a share for people: `2.5%`."""
    return f"{permille / 10:g}%"


def bar_of(share: float) -> str:
    """Return a share from 0 to 1 as a bar of text."""
    full = round(max(0.0, min(1.0, share)) * _BAR_CELLS)
    return "#" * full + "." * (_BAR_CELLS - full)


def _steps(stage: dict[str, Any]) -> str:
    place = int(stage.get("step") or 1)
    shares = [percent(int(step["permille"])) for step in stage.get("steps") or ()]
    return " > ".join(
        f"[{share}]" if number == place else share for number, share in enumerate(shares, start=1)
    )


def _is_moving(step: dict[str, Any]) -> bool:
    return step.get("phase") not in ("done", "waiting", None)


def _replica(step: dict[str, Any]) -> str:
    on = f" on {step['node_name']}" if step.get("node_name") else ""
    again = f", attempt {step['attempts']}" if (step.get("attempts") or 0) > 1 else ""
    why = f": {step['reason']}" if step.get("reason") else ""
    return f"{step.get('ordinal')}{on} is {step['phase']}{again}{why}"


def _arm(arm: dict[str, Any]) -> str:
    failures = arm["failures"]
    words = (
        f"revision {arm['revision']}: {failures['count']} of {arm['requests']} requests failed,"
        f" {failures['value']:.2%} ({failures['low']:.2%} to {failures['high']:.2%}), lost {arm['lost']}"
    )
    for name in ("p50", "p95"):
        latency = arm.get(name)
        if latency:
            words += (
                f", {name} {latency['value_ms']:.0f} ms ({latency['low_ms']:.0f} to {latency['high_ms']:.0f})"
            )
    return words
