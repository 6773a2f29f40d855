"""Handlers of the commands on conversations with the assistant."""

from __future__ import annotations

from dataclasses import replace

from cluster.commands.assistant import ForgetConversation, KeepExchange
from cluster.commands.outcome import Applied, Code, Outcome, Rejected
from cluster.model.assistant import (
    ACCOUNT_BYTES_MAX,
    CONVERSATIONS_MAX,
    KEPT_MS,
    Conversation,
    KeptExchange,
    TokensUsed,
    day_of,
)
from cluster.state_machine.entry import Entry
from cluster.store.records import (
    CONVERSATIONS,
    CONVERSATIONS_BY_AGE,
    EXCHANGES,
    PRINCIPALS,
    TOKENS_USED,
)

_SWEPT_MAX = 20
"""So many that are over go with one command: more than one command begins, so that none stays for long."""


def keep_exchange(entry: Entry, command: KeepExchange) -> Outcome:
    txn, principal_id = entry.txn, command.principal_id
    if PRINCIPALS.get(txn, principal_id) is None:
        return Rejected(f"there is no account {principal_id}", Code.NOT_FOUND)
    known = CONVERSATIONS.get(txn, principal_id, command.conversation_id)
    present = 0 if known is None else known.exchanges
    if command.number <= present:
        return Rejected(
            f"exchange {command.number} of {command.conversation_id} is kept already", Code.VERSION_CONFLICT
        )
    _count(entry, principal_id, command.tokens)
    _sweep(entry)
    if known is not None:
        known = CONVERSATIONS.get(txn, principal_id, command.conversation_id)
    if command.number > 1 and (known is None or command.number != known.exchanges + 1):
        return Applied(False)
    kept = Conversation(
        principal_id=principal_id,
        id=command.conversation_id,
        sealed_title=command.sealed_title if known is None else known.sealed_title,
        exchanges=command.number,
        bytes_kept=len(command.sealed) + (0 if known is None else known.bytes_kept),
        begun_at_ms=entry.now_ms if known is None else known.begun_at_ms,
        changed_at_ms=entry.now_ms,
    )
    if known is not None:
        CONVERSATIONS_BY_AGE.remove(txn, known.changed_at_ms, principal_id, known.id)
    _make_room(entry, kept)
    CONVERSATIONS_BY_AGE.add(txn, kept.changed_at_ms, principal_id, kept.id)
    EXCHANGES.put(
        txn,
        KeptExchange(
            principal_id=principal_id,
            conversation_id=kept.id,
            number=command.number,
            sealed=command.sealed,
            asked_at_ms=command.asked_at_ms,
        ),
    )
    CONVERSATIONS.put(txn, _shortened(entry, kept))
    return Applied(True)


def forget_conversation(entry: Entry, command: ForgetConversation) -> Outcome:
    known = CONVERSATIONS.get(entry.txn, command.principal_id, command.conversation_id)
    if known is None:
        return Rejected(f"there is no conversation {command.conversation_id}", Code.NOT_FOUND)
    _forget(entry, known)
    return Applied()


def forget_conversations(entry: Entry, principal_id: str) -> None:
    """Forget all that an account asked, and what it used: the account goes."""
    for each in CONVERSATIONS.scan(entry.txn, principal_id):
        _forget(entry, each)
    TOKENS_USED.delete(entry.txn, principal_id)


def _count(entry: Entry, principal_id: str, tokens: int) -> None:
    if not tokens:
        return
    known = TOKENS_USED.get(entry.txn, principal_id)
    used = 0 if known is None else known.on(entry.now_ms)
    TOKENS_USED.put(
        entry.txn,
        TokensUsed(principal_id=principal_id, day=day_of(entry.now_ms), tokens=used + tokens),
    )


def _sweep(entry: Entry) -> None:
    """Forget what was kept long enough, of every account: nobody has to come back for that."""
    for changed_at_ms, principal_id, conversation_id in CONVERSATIONS_BY_AGE.scan(
        entry.txn, limit=_SWEPT_MAX
    ):
        assert isinstance(changed_at_ms, int)
        if changed_at_ms + KEPT_MS > entry.now_ms:
            return
        known = CONVERSATIONS.get(entry.txn, principal_id, conversation_id)
        assert known is not None, "the index names what is there"
        _forget(entry, known)


def _make_room(entry: Entry, coming: Conversation) -> None:
    """Forget others of the account, those changed longest ago first, until `coming` fits beside the rest."""
    others = [each for each in CONVERSATIONS.scan(entry.txn, coming.principal_id) if each.id != coming.id]
    others.sort(key=lambda each: (each.changed_at_ms, each.id))
    total = coming.bytes_kept + sum(each.bytes_kept for each in others)
    count = 1 + len(others)
    for each in others:
        if count <= CONVERSATIONS_MAX and total <= ACCOUNT_BYTES_MAX:
            return
        _forget(entry, each)
        count -= 1
        total -= each.bytes_kept


def _shortened(entry: Entry, kept: Conversation) -> Conversation:
    """Return a conversation as it is without its beginning, where it is too large alone."""
    bytes_kept = kept.bytes_kept
    for each in EXCHANGES.scan(entry.txn, kept.principal_id, kept.id):
        if bytes_kept <= ACCOUNT_BYTES_MAX:
            break
        EXCHANGES.delete(entry.txn, each.principal_id, each.conversation_id, each.number)
        bytes_kept -= len(each.sealed)
    return replace(kept, bytes_kept=bytes_kept)


def _forget(entry: Entry, known: Conversation) -> None:
    for each in EXCHANGES.scan(entry.txn, known.principal_id, known.id):
        EXCHANGES.delete(entry.txn, each.principal_id, each.conversation_id, each.number)
    CONVERSATIONS_BY_AGE.remove(entry.txn, known.changed_at_ms, known.principal_id, known.id)
    CONVERSATIONS.delete(entry.txn, known.principal_id, known.id)
