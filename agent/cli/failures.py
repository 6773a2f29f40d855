"""How a command ends when it does not end well: one line, a hint, an exit status."""

from __future__ import annotations

DONE = 0
FAILED = 1
USAGE = 2
UNKNOWN = 3


class CommandFailed(Exception):
    """The command was refused or failed: status 1. `hint` says what to do next."""

    exit_status = FAILED

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class UsageWrong(CommandFailed):
    """The command was called in a way it cannot be: status 2."""

    exit_status = USAGE


class OutcomeUnknown(CommandFailed):
    """The request was sent and no answer came: it may have taken effect or not. Status 3."""

    exit_status = UNKNOWN
