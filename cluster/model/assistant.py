"""What people asked the assistant and were answered, how much of it is kept, and what a day may cost."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from urllib.parse import urlsplit

from cluster.model import rules

ASSISTANT_PREFIX = "assistant."
CONVERSATIONS_MAX = 20
"""Of an account; the one that was changed longest ago makes room."""
EXCHANGES_MAX = 40
EXCHANGE_BYTES_MAX = 128 * 1024
ACCOUNT_BYTES_MAX = 1024 * 1024
KEPT_MS = 30 * 24 * 3_600_000
"""So long a conversation is kept after its last exchange."""
TITLE_BYTES_MAX = 1024
TOKENS_MAX = 2**40
DAY_MS = 24 * 3_600_000
_MODEL_CHARS_MAX = 128
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


@dataclass(frozen=True, slots=True, kw_only=True)
class AssistantRules:
    """The settings. Each is stored under `assistant.<field>`.

    `tokens_per_day` is what one account may use of the model in a UTC day, 0: nobody uses it. `key_secret`
    names the cluster's secret, of all environments, that holds the key for `base_url`.
    """

    model: str = "claude-sonnet-5-5"
    tokens_per_day: int = 1_000_000
    key_secret: str = "anthropic-api-key"  # noqa: S105 (the name of one)
    base_url: str = "https://api.anthropic.com"


def assistant_rules(values: Mapping[str, str]) -> AssistantRules:
    """Return the rules of stored settings. Raises ValueError naming the key, the value and the rule."""
    given = {
        each.name: values[key]
        for each in fields(AssistantRules)
        if (key := f"{ASSISTANT_PREFIX}{each.name}") in values
    }
    tokens = given.pop("tokens_per_day", None)
    found = AssistantRules(**given)  # type: ignore[arg-type]  # the rest are text
    if tokens is not None:
        found = replace(found, tokens_per_day=_tokens(tokens))
    if not found.model.isascii() or not found.model.isprintable() or " " in found.model:
        raise ValueError(f"{ASSISTANT_PREFIX}model {found.model[:40]!r}: the model's name, without spaces")
    rules.check_text(f"{ASSISTANT_PREFIX}model", found.model, _MODEL_CHARS_MAX, chars_min=1)
    rules.check_object_name(f"{ASSISTANT_PREFIX}key_secret", found.key_secret)
    _check_url(found.base_url)
    return found


def default_assistant_values() -> dict[str, str]:
    """Return the settings as they are by default, by key."""
    given = AssistantRules()
    return {f"{ASSISTANT_PREFIX}{each.name}": str(getattr(given, each.name)) for each in fields(given)}


def _tokens(text: str) -> int:
    if not (text.isascii() and text.isdigit()) or int(text[:20]) > TOKENS_MAX:
        raise ValueError(f"{ASSISTANT_PREFIX}tokens_per_day {text[:40]!r}: a whole number from 0")
    return int(text)


def _check_url(url: str) -> None:
    """The key goes there, so nobody on the way may read it."""
    key = f"{ASSISTANT_PREFIX}base_url"
    try:
        parts = urlsplit(url)
        has_port = parts.port != 0
    except ValueError as error:
        raise ValueError(f"{key} {url[:80]!r}: {error}") from error
    is_plain = parts.scheme == "http" and parts.hostname in _LOOPBACK
    if not url.isprintable() or not parts.hostname or not has_port or "@" in parts.netloc or len(url) > 512:
        raise ValueError(f"{key} {url[:80]!r}: https://host, with a port and a path if need be")
    if parts.scheme != "https" and not is_plain:
        raise ValueError(f"{key} {url[:80]!r}: https, or http to this host itself")
    if parts.query or parts.fragment:
        raise ValueError(f"{key} {url[:80]!r}: without query and fragment")


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversation:
    """One conversation of an account. `exchanges` is how many were kept, and so the number of the newest.

    `bytes_kept` is what they take, sealed. Times are log time.
    """

    principal_id: str
    id: str
    sealed_title: bytes = field(repr=False)
    exchanges: int
    bytes_kept: int
    begun_at_ms: int
    changed_at_ms: int

    def is_over(self, now_ms: int) -> bool:
        """Whether it was kept long enough."""
        return now_ms >= self.changed_at_ms + KEPT_MS


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptExchange:
    """A question and its answer, sealed together for their place in one conversation of one account."""

    principal_id: str
    conversation_id: str
    number: int
    sealed: bytes = field(repr=False)
    asked_at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TokensUsed:
    """What an account used of the model on one day, counted from the epoch in UTC."""

    principal_id: str
    day: int
    tokens: int

    def on(self, now_ms: int) -> int:
        """Return what is used of the day that `now_ms` is in."""
        return self.tokens if self.day == day_of(now_ms) else 0


def day_of(now_ms: int) -> int:
    """Return the number of the UTC day a moment is in."""
    return now_ms // DAY_MS


def title_context(principal_id: str, conversation_id: str) -> str:
    """The place a title is sealed for: another account or conversation does not open it."""
    return f"assistant/{principal_id}/{conversation_id}/title"


def exchange_context(principal_id: str, conversation_id: str, number: int) -> str:
    """The place an exchange is sealed for: another account, conversation or number does not open it."""
    return f"assistant/{principal_id}/{conversation_id}/{number}"
