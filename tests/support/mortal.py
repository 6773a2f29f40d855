"""What dies midway, as a process does: nothing else is done, not even putting things back."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from inspect import isasyncgenfunction
from typing import Any


class Killed(BaseException):
    """The agent is no more."""


class Mortal:
    """Does what the real one does, until it is asked for `last`; raises `error` from there on.

    Those that share `shared` die together.
    """

    def __init__(self, real: object, shared: dict[str, bool], last: str, error: BaseException) -> None:
        self._real = real
        self._shared = shared
        self._last = last
        self._error = error

    def __getattr__(self, name: str) -> Callable[..., Awaitable[Any]]:
        real = getattr(self._real, name)
        if isasyncgenfunction(real):
            return real  # type: ignore[no-any-return]  # what a container wrote, which changes nothing

        async def call(*given: Any, **named: Any) -> Any:
            self._shared["is_dead"] |= name == self._last
            if self._shared["is_dead"]:
                raise self._error
            return await real(*given, **named)

        return call
