"""Conversations with the assistant that grow, are taken up by two at once, and are forgotten."""

from __future__ import annotations

from cluster.commands import assistant
from cluster.store.records import CONVERSATIONS, PRINCIPALS
from tests.properties.draws.context import Choices, Draw


def assistant_commands(draw: Draw) -> Choices:
    rng = draw.rng
    user = draw.mostly([each.id for each in PRINCIPALS.scan(draw.txn, limit=20)], [draw.user()])
    known = {each.id: each.exchanges for each in CONVERSATIONS.scan(draw.txn, user)}
    conversation = draw.mostly(list(known), [f"cv_{rng.randrange(40)}"])
    number = min(40, known.get(conversation, 0) + rng.choice([0, 1, 1, 1, 1, 2]))
    return [
        lambda: assistant.KeepExchange(
            principal_id=user,
            conversation_id=conversation,
            number=max(1, number),
            sealed_title=b"title",
            sealed=b"x" * rng.choice([10, 1000, 100_000]),
            asked_at_ms=draw.now_ms,
            tokens=rng.choice([0, 5000]),
        ),
        lambda: assistant.ForgetConversation(principal_id=user, conversation_id=conversation),
    ]
