"""Following rollouts to their end: one picture on a terminal, a line for each news in a pipe."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

from agent.cli.client import Client, segment
from agent.cli.failures import CommandFailed, OutcomeUnknown
from agent.cli.output import printable
from agent.cli.rollout_words import SUCCEEDED, TERMINAL, details_of, is_waiting_for_approval, line_of

POLL_INTERVAL_S = 0.5
SILENCE_S_MAX = 60.0


def succeeded(rollout: dict[str, Any]) -> bool:
    """Whether the rollout ended as it was meant to."""
    return bool(rollout["phase"] == SUCCEEDED)


def follow(client: Client, rollout: dict[str, Any], *, quiet: bool) -> dict[str, Any]:
    """Return the rollout once it has ended; see `follow_all`."""
    return follow_all(client, [rollout], quiet=quiet)[0]


def follow_all(client: Client, rollouts: Sequence[dict[str, Any]], *, quiet: bool) -> list[dict[str, Any]]:
    """Return the rollouts once all have ended, telling on the way what happens unless `quiet`.

    Hosts may come and go meanwhile; only a minute without any answer ends the waiting.
    """
    known = list(rollouts)
    answered_s = time.monotonic()
    with _teller(quiet) as teller:
        while True:
            teller.tell(known)
            if all(rollout["phase"] in TERMINAL for rollout in known):
                return known
            time.sleep(POLL_INTERVAL_S)
            try:
                known = [
                    rollout
                    if rollout["phase"] in TERMINAL
                    else client.get(f"/rollouts/{segment(rollout['id'])}")
                    for rollout in known
                ]
            except CommandFailed as error:
                if time.monotonic() - answered_s > SILENCE_S_MAX:
                    going = next(rollout["id"] for rollout in known if rollout["phase"] not in TERMINAL)
                    raise OutcomeUnknown(
                        f"the rollout {going} goes on, but no host answers: {error}",
                        hint=f"later: tower rollout status {going}",
                    ) from error
                continue
            answered_s = time.monotonic()


class _Teller(Protocol):
    def tell(self, rollouts: Sequence[dict[str, Any]]) -> None: ...


class _Silent:
    def tell(self, rollouts: Sequence[dict[str, Any]]) -> None:
        """Say nothing: the command prints the end as JSON."""


class _Lines:
    """A line for each news: where it stands, the judge's word, and once that it waits for a person."""

    def __init__(self) -> None:
        self._said: set[tuple[str, str]] = set()
        self._last: dict[str, str] = {}

    def tell(self, rollouts: Sequence[dict[str, Any]]) -> None:
        for rollout in rollouts:
            line = line_of(rollout)
            if self._last.get(rollout["id"]) != line:
                self._last[rollout["id"]] = line
                self._print(line)
            if rollout.get("verdict"):
                self._once(rollout, f"  {rollout['verdict']}")
            if is_waiting_for_approval(rollout):
                self._once(rollout, f"  approve it with: tower rollout approve {rollout['service_id']}")
            for reason in _reason(rollout):
                self._once(rollout, reason)

    def _once(self, rollout: dict[str, Any], line: str) -> None:
        if (rollout["id"], line) not in self._said:
            self._said.add((rollout["id"], line))
            self._print(line)

    @staticmethod
    def _print(line: str) -> None:
        print(printable(line), file=sys.stderr, flush=True)


class _Picture:
    """Everything about each rollout, drawn anew in place."""

    def __init__(self, live: Any) -> None:
        self._live = live

    def tell(self, rollouts: Sequence[dict[str, Any]]) -> None:
        from rich.text import Text

        picture = Text()
        for rollout in rollouts:
            phase = str(rollout["phase"])
            style = _STYLES.get(phase, "")
            picture.append(printable(line_of(rollout)) + "\n", style=f"bold {style}".strip())
            if phase not in TERMINAL:
                for line in details_of(rollout):
                    picture.append(f"  {printable(line)}\n")
            elif rollout.get("verdict"):
                picture.append(f"  {printable(str(rollout['verdict']))}\n")
            for reason in _reason(rollout):
                picture.append(f"{printable(reason)}\n")
        picture.rstrip()
        self._live.update(picture, refresh=True)


_STYLES = {
    "succeeded": "green",
    "running": "cyan",
    "paused": "yellow",
    "rolling-back": "yellow",
    "rolled-back": "red",
    "failed": "red",
}


@contextmanager
def _teller(quiet: bool) -> Iterator[_Teller]:
    if quiet:
        yield _Silent()
        return
    if not sys.stderr.isatty():
        yield _Lines()
        return
    from rich.console import Console
    from rich.live import Live

    with Live(console=Console(stderr=True, highlight=False), auto_refresh=False) as live:
        yield _Picture(live)


def _reason(rollout: dict[str, Any]) -> list[str]:
    if succeeded(rollout) or not rollout.get("reason") or rollout["phase"] == "running":
        return []
    return [f"  {rollout['reason']}"]
