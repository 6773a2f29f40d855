"""Lists in pages: sorted by a key that does not change, and continued after the last key that was shown.

A cursor is that key, so things that come and go between two pages shift nothing. It is opaque by
agreement only, and holds no more than the list showed.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Generic, TypeAlias, TypeVar

from web.auth.problems import Problem, invalid

LIMIT_DEFAULT = 200
LIMIT_MAX = 10_000
_CURSOR_CHARACTERS_MAX = 2048

_T = TypeVar("_T")

Key: TypeAlias = tuple[str | int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Page(Generic[_T]):
    """Some items of a list. `next_cursor` continues it; null: these were the last."""

    items: tuple[_T, ...]
    next_cursor: str | None = None


def page_of(
    items: Iterable[_T], *, key: Callable[[_T], Key], cursor: str | None, limit: int, reverse: bool = False
) -> Page[_T]:
    """Return the items past `cursor` in the order of `key`, at most `limit`.

    Raises Problem for a cursor that is not of this list.
    """
    ordered = sorted(items, key=key, reverse=reverse)
    if cursor is not None:
        after = decode_cursor(cursor, like=key(ordered[0]) if ordered else None)
        ordered = [item for item in ordered if (key(item) < after if reverse else key(item) > after)]
    shown = tuple(ordered[:limit])
    more = len(ordered) > limit
    return Page(items=shown, next_cursor=encode_cursor(key(shown[-1])) if more and shown else None)


def encode_cursor(key: Key) -> str:
    """Return the text of a place in a list."""
    return base64.urlsafe_b64encode(json.dumps(key, separators=(",", ":")).encode()).decode().rstrip("=")


def decode_cursor(cursor: str, *, like: Key | None) -> Key:
    """Return the place a cursor names, of the form of the key `like`. Raises Problem."""
    try:
        if len(cursor) > _CURSOR_CHARACTERS_MAX:
            raise _foreign()
        padded = cursor + "=" * (-len(cursor) % 4)
        value = json.loads(base64.b64decode(padded.encode("ascii"), altchars=b"-_", validate=True))
    except (ValueError, binascii.Error, RecursionError) as error:
        raise _foreign() from error
    if not isinstance(value, list) or not all(type(part) in (str, int) for part in value):
        raise _foreign()
    if like is not None and [type(part) for part in value] != [type(part) for part in like]:
        raise _foreign()
    return tuple(value)


def _foreign() -> Problem:
    return invalid("cursor", "not a cursor of this list", hint="give next_cursor as the list gave it")
