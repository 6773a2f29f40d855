"""Commands on conversations with the assistant."""

from __future__ import annotations

from dataclasses import dataclass, field

from cluster.model import rules
from cluster.model.assistant import EXCHANGE_BYTES_MAX, EXCHANGES_MAX, TITLE_BYTES_MAX, TOKENS_MAX


@dataclass(frozen=True, slots=True, kw_only=True)
class KeepExchange:
    """Keep a question with its answer, and count what it cost its asker.

    Number 1 begins the conversation, with its title. Rejected when another exchange has the number already.
    Of a conversation that was forgotten meanwhile nothing is kept, and the cost is counted all the same: the
    result is whether the exchange was kept.
    """

    principal_id: str
    conversation_id: str
    number: int
    sealed_title: bytes = field(repr=False)
    sealed: bytes = field(repr=False)
    asked_at_ms: int
    tokens: int = 0

    def __post_init__(self) -> None:
        rules.check_id("principal id", self.principal_id)
        rules.check_id("conversation id", self.conversation_id)
        rules.check_range("number", self.number, 1, EXCHANGES_MAX)
        rules.check_range("asked at", self.asked_at_ms, 0, 2**53)
        rules.check_range("tokens", self.tokens, 0, TOKENS_MAX)
        if len(self.sealed_title) > TITLE_BYTES_MAX:
            raise ValueError(f"title: {len(self.sealed_title)} bytes; {TITLE_BYTES_MAX} are kept at most")
        if len(self.sealed) > EXCHANGE_BYTES_MAX:
            raise ValueError(f"exchange: {len(self.sealed)} bytes; {EXCHANGE_BYTES_MAX} are kept at most")


@dataclass(frozen=True, slots=True, kw_only=True)
class ForgetConversation:
    """Forget a conversation of an account with all its exchanges."""

    principal_id: str
    conversation_id: str

    def __post_init__(self) -> None:
        rules.check_id("principal id", self.principal_id)
        rules.check_id("conversation id", self.conversation_id)
