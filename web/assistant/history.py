"""The caller's conversations: read, gone on with, kept and forgotten. Nobody else's are to be had."""

from __future__ import annotations

from dataclasses import dataclass

from cluster.commands import Code
from cluster.commands.assistant import ForgetConversation, KeepExchange
from cluster.identity.errors import SealBroken
from cluster.identity.sealing import NONCE_BYTES
from cluster.identity.stored_secrets import open_exchange, open_title, seal_exchange, seal_title
from cluster.model.assistant import EXCHANGE_BYTES_MAX, EXCHANGES_MAX, KEPT_MS, Conversation, KeptExchange
from cluster.model.secrets import SEALED_EXTRA_BYTES
from cluster.raft.replicator import ReadLevel
from cluster.store import ReadTxn, records
from web.assistant.answering import Exchange
from web.assistant.kept import Content, as_earlier, from_bytes, title_of, to_bytes
from web.assistant.views import ConversationTold, ConversationView, ExchangeView
from web.auth.authority import Permit
from web.auth.call import Call
from web.auth.missing import missing
from web.auth.problems import Problem
from web.tools.context import Context
from web.tools.references import is_key

EARLIER_MAX = 10
"""So many exchanges before it are told to who makes an answer."""
ATTEMPTS = 3
"""How often an exchange is numbered anew when another one of its conversation was quicker."""
READ, ASK, FORGET = "assistant.read", "assistant.ask", "assistant.forget"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where an exchange will be kept, and what was said before it."""

    principal_id: str
    conversation_id: str
    number: int
    earlier: tuple[Exchange, ...] = ()


async def list_conversations(context: Context, call: Call) -> tuple[ConversationView, ...]:
    """Return the caller's conversations, the one that was changed last first."""
    await context.authority.require(call, READ, "assistant")
    now_ms = context.surroundings.clock.now_ms()
    with context.surroundings.state.read() as txn:
        found = records.CONVERSATIONS.scan(txn, call.known().principal_id)
    kept = [each for each in found if not each.is_over(now_ms)]
    kept.sort(key=lambda each: (each.changed_at_ms, each.id), reverse=True)
    return tuple(_view(context, each) for each in kept)


async def get_conversation(context: Context, call: Call, conversation_id: str) -> ConversationTold:
    """Return one of the caller's conversations. Raises Problem (404)."""
    await context.authority.require(call, READ, "assistant")
    with context.surroundings.state.read() as txn:
        known = _find(context, txn, call, conversation_id)
        exchanges = records.EXCHANGES.scan(txn, known.principal_id, known.id)
    return ConversationTold(
        conversation=_view(context, known),
        exchanges=tuple(_told(each, _open(context, each)) for each in exchanges),
    )


async def forget_conversation(context: Context, call: Call, conversation_id: str) -> None:
    """Forget one of the caller's conversations. Raises Problem (404)."""
    await context.authority.require(call, FORGET, "assistant")
    with context.surroundings.state.read() as txn:
        known = _find(context, txn, call, conversation_id)
    command = ForgetConversation(principal_id=known.principal_id, conversation_id=known.id)
    resource = f"assistant:{known.id}"
    await context.authority.perform(call, FORGET, resource, lambda permit: permit.propose(command))


def place_of(context: Context, call: Call, conversation_id: str | None) -> Place:
    """Return where the caller's next exchange is kept; None: in a new conversation.

    Raises Problem: 404 for a conversation that is not the caller's, 409 for one that has had its most.
    """
    principal_id = call.known().principal_id
    if conversation_id is None:
        new = context.surroundings.ids.new_id("cv")
        return Place(principal_id=principal_id, conversation_id=new, number=1)
    with context.surroundings.state.read() as txn:
        known = _find(context, txn, call, conversation_id)
        after = (known.principal_id, known.id, known.exchanges - EARLIER_MAX)
        earlier = records.EXCHANGES.scan(
            txn, known.principal_id, known.id, after=after if after[2] > 0 else None
        )
    if known.exchanges >= EXCHANGES_MAX:
        raise Problem(
            "conflict",
            f"this conversation has {EXCHANGES_MAX} questions, which is the most",
            hint="begin another one",
        )
    return Place(
        principal_id=principal_id,
        conversation_id=known.id,
        number=known.exchanges + 1,
        earlier=tuple(as_earlier(_open(context, each)) for each in earlier),
    )


async def keep_exchange(
    context: Context, call: Call, place: Place, content: Content, *, asked_at_ms: int, tokens: int
) -> bool:
    """Keep an exchange, and count its tokens. Returns false when its conversation was forgotten meanwhile.

    The record says that somebody asked, and not what. Raises Problem, NotCommitted or OutcomeUnknown.
    """
    data = to_bytes(content, EXCHANGE_BYTES_MAX - SEALED_EXTRA_BYTES)
    ended = content.parts[-1] if content.parts else None
    how = getattr(ended, "how", "")

    async def change(permit: Permit) -> bool:
        for attempt in range(1, ATTEMPTS + 1):
            number = place.number if attempt == 1 else await _next_number(context, place)
            command = _command(context, place, content, data, number, asked_at_ms=asked_at_ms, tokens=tokens)
            try:
                return bool(await permit.propose(command, reason=f"{content.answerer} {how}"))
            except Problem as problem:
                if problem.extra.get("code") != Code.VERSION_CONFLICT.value or attempt == ATTEMPTS:
                    raise
        raise AssertionError("the last attempt raises")

    return await context.authority.perform(call, ASK, f"assistant:{place.conversation_id}", change)


async def _next_number(context: Context, place: Place) -> int:
    await context.surroundings.state.point(ReadLevel.LINEARIZABLE)
    with context.surroundings.state.read() as txn:
        known = records.CONVERSATIONS.get(txn, place.principal_id, place.conversation_id)
    return min(EXCHANGES_MAX, place.number if known is None else known.exchanges + 1)


def _command(
    context: Context,
    place: Place,
    content: Content,
    data: bytes,
    number: int,
    *,
    asked_at_ms: int,
    tokens: int,
) -> KeepExchange:
    keyring, ids = context.surroundings.cluster.keyring(), context.surroundings.ids
    return KeepExchange(
        principal_id=place.principal_id,
        conversation_id=place.conversation_id,
        number=number,
        sealed_title=seal_title(
            title_of(content.question).encode(),
            keyring,
            principal_id=place.principal_id,
            conversation_id=place.conversation_id,
            nonce=ids.token_bytes(NONCE_BYTES),
        )
        if number == 1
        else b"",
        sealed=seal_exchange(
            data,
            keyring,
            principal_id=place.principal_id,
            conversation_id=place.conversation_id,
            number=number,
            nonce=ids.token_bytes(NONCE_BYTES),
        ),
        asked_at_ms=asked_at_ms,
        tokens=tokens,
    )


def _find(context: Context, txn: ReadTxn, call: Call, conversation_id: str) -> Conversation:
    """Return a conversation of the caller's. Another's is as if it were not there: raises Problem (404)."""
    known = None
    if is_key(conversation_id):
        known = records.CONVERSATIONS.get(txn, call.known().principal_id, conversation_id)
    if known is None or known.is_over(context.surroundings.clock.now_ms()):
        raise missing("conversation", conversation_id, hint="GET /api/v1/assistant/conversations lists yours")
    return known


def _open(context: Context, kept: KeptExchange) -> Content:
    try:
        return from_bytes(open_exchange(kept, context.surroundings.cluster.keyring()))
    except (SealBroken, ValueError) as error:
        raise Problem(
            "unavailable",
            f"this node cannot open exchange {kept.number} of the conversation",
            hint="another host may; a conversation that none opens can only be forgotten",
            retry_after_s=5,
        ) from error


def _told(kept: KeptExchange, content: Content) -> ExchangeView:
    return ExchangeView(
        number=kept.number,
        asked_at_ms=kept.asked_at_ms,
        question=content.question,
        language=content.language,
        looking_at=content.looking_at,
        answerer=content.answerer,
        parts=content.parts,
        is_shortened=content.is_shortened,
    )


def _view(context: Context, known: Conversation) -> ConversationView:
    try:
        title = open_title(known, context.surroundings.cluster.keyring()).decode("utf-8", "replace")
    except SealBroken:
        # It is listed all the same, so that it can be forgotten.
        title = ""
    return ConversationView(
        id=known.id,
        title=title,
        exchanges=known.exchanges,
        begun_at_ms=known.begun_at_ms,
        changed_at_ms=known.changed_at_ms,
        forgotten_at_ms=known.changed_at_ms + KEPT_MS,
    )
