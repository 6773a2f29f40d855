"""Where the metric history is sent to as well. A secret goes in and never comes out."""

from __future__ import annotations

from dataclasses import dataclass, field

from cluster.commands.exports import PutExport, RemoveExport
from cluster.identity.sealing import NONCE_BYTES
from cluster.identity.stored_secrets import seal_export_secret
from cluster.model.exports import Export, ExportAuth, ExportKind, ExportStanding
from cluster.model.metrics import CommittedBatch
from cluster.model.webhooks import SealedSecret, shown_url
from cluster.store import ReadTxn, records
from web.auth.call import Call
from web.auth.problems import Problem, invalid
from web.tools.context import Context
from web.tools.receivers import check_receiver, check_same_origin, find_receiver, header_secret
from web.tools.windows import wrong

READ = "export.read"
PUT = "export.put"
REMOVE = "export.remove"


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportWish:
    """An export as people write it. `secret` None: the one it has stays."""

    kind: ExportKind
    url: str = field(repr=False)
    auth: ExportAuth = ExportAuth.NONE
    username: str = ""
    secret: str | None = field(default=None, repr=False)
    back_ms: int = 0
    is_enabled: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportView:
    """One export and how far it has come. Values in the query of `url` are not shown, and no secret is.

    `waiting` batches of the newest hour are not sent yet. While the past is sent, `past_left_ms` is how much
    of it is left. `detail` is what the receiver said last when it did not take something.
    """

    id: str
    kind: ExportKind
    url: str
    auth: ExportAuth
    username: str
    is_enabled: bool
    waiting: int
    past_left_ms: int
    sent: int
    refused: int
    failures_in_a_row: int
    failing_since_ms: int | None
    next_ms: int | None
    last_sent_ms: int | None
    detail: str
    version: int
    created_at_ms: int
    changed_at_ms: int
    changed_by: str


async def list_exports(context: Context, call: Call) -> list[ExportView]:
    """Return the exports by name."""
    await context.authority.require(call, READ, "export")
    with context.surroundings.state.read() as txn:
        return [_view(txn, export) for export in records.EXPORTS.scan(txn)]


async def get_export(context: Context, call: Call, name: str) -> ExportView:
    """Raises Problem (404)."""
    await context.authority.require(call, READ, f"export:{name}")
    _find(context, name)
    return _shown(context, name)


async def put_export(
    context: Context, call: Call, name: str, wish: ExportWish, *, expected_version: int | None = None
) -> ExportView:
    """Make an export, or have everything of one as it is wished. Raises Problem (409, 422).

    `back_ms` counts for a new one only: what was sent is not sent again.
    """
    resource = f"export:{name}"
    await context.authority.require(call, PUT, resource)
    check_receiver(context, name, wish.url)
    with context.surroundings.state.read() as txn:
        present = records.EXPORTS.get(txn, name)
    try:
        export = Export(
            id=name,
            kind=wish.kind,
            url=wish.url,
            auth=wish.auth,
            username=wish.username,
            secret=_secret(context, name, wish, present),
            back_ms=wish.back_ms,
            is_enabled=wish.is_enabled,
            changed_by=call.known().name,
        )
    except ValueError as error:
        raise wrong(error) from error
    if expected_version is None:
        expected_version = 0 if present is None else present.version
    command = PutExport(export=export, expected_version=expected_version)
    await context.authority.perform(call, PUT, resource, lambda permit: permit.propose(command))
    return _shown(context, name)


async def remove_export(context: Context, call: Call, name: str) -> None:
    """Forget an export; what was sent stays where it is. Raises Problem (404)."""
    resource = f"export:{name}"
    await context.authority.require(call, REMOVE, resource)
    command = RemoveExport(export_id=_find(context, name).id)
    await context.authority.perform(call, REMOVE, resource, lambda permit: permit.propose(command))


def _secret(context: Context, name: str, wish: ExportWish, present: Export | None) -> SealedSecret | None:
    if wish.auth is ExportAuth.NONE:
        if wish.secret is not None:
            raise invalid("secret", "with auth none there is nothing to use it for")
        return None
    if wish.secret is None:
        if present is None or present.secret is None or present.auth is not wish.auth:
            raise invalid("secret", f"auth {wish.auth} needs one")
        check_same_origin(name, present.url, wish.url)
        return present.secret
    value = header_secret(wish.secret, is_token=wish.auth is not ExportAuth.BASIC)
    surroundings = context.surroundings
    return SealedSecret(
        sealed=seal_export_secret(
            value,
            surroundings.cluster.keyring(),
            export_id=name,
            url=wish.url,
            nonce=surroundings.ids.token_bytes(NONCE_BYTES),
        )
    )


def _find(context: Context, name: str) -> Export:
    return find_receiver(context, records.EXPORTS, "export", name)


def _shown(context: Context, name: str) -> ExportView:
    with context.surroundings.state.read() as txn:
        export = records.EXPORTS.get(txn, name)
        if export is None:
            raise Problem("conflict", f"export {name} was removed at the same moment")
        return _view(txn, export)


def _view(txn: ReadTxn, export: Export) -> ExportView:
    standing = records.EXPORT_STANDINGS.get(txn, export.id) or ExportStanding(export_id=export.id, index=0)
    waiting: list[CommittedBatch] = records.METRIC_BATCHES.scan(txn, after=(standing.index,))
    return ExportView(
        id=export.id,
        kind=export.kind,
        url=shown_url(export.url),
        auth=export.auth,
        username=export.username,
        is_enabled=export.is_enabled,
        waiting=len(waiting),
        past_left_ms=max(0, standing.past_until_ms - standing.past_from_ms),
        sent=standing.sent,
        refused=standing.refused,
        failures_in_a_row=standing.failures_in_a_row,
        failing_since_ms=standing.failing_since_ms or None,
        next_ms=standing.next_ms or None,
        last_sent_ms=standing.last_sent_ms or None,
        detail=standing.detail,
        version=export.version,
        created_at_ms=export.created_at_ms,
        changed_at_ms=export.changed_at_ms,
        changed_by=export.changed_by,
    )
