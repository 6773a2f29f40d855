"""Typed records: what the tables hold, and how their keys are made.

A key is its parts one after the other: text as UTF-8 with a closing zero byte, an integer as eight bytes, so
that keys sort by their parts and every whole part is a prefix to scan by.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeAlias, TypeVar

from cluster.audit.merkle import Frontier
from cluster.audit.trail import head_of
from cluster.encoding import codec, pack, unpack
from cluster.model.access import ApiToken, LoginSession, Principal, SetupToken, TokenUse
from cluster.model.alerts import Alert, AlertCount, AlertRule, Silence
from cluster.model.assistant import Conversation, KeptExchange, TokensUsed
from cluster.model.audit import AuditEntry, AuditHead
from cluster.model.environments import KNOWN_ENVIRONMENTS, Environment
from cluster.model.events import Event, EventCount
from cluster.model.exports import Export, ExportStanding
from cluster.model.metrics import (
    CommittedBatch,
    CommittedHour,
    MetricBooks,
    SourceMark,
    Subject,
    SubjectDefinition,
)
from cluster.model.node import Certificate, ClusterIdentity, JoinToken, LeaderTerm, Node
from cluster.model.permissions import Binding, CustomRole
from cluster.model.plans import Plan
from cluster.model.rollout import Rollout
from cluster.model.route_certificates import RouteCertificate
from cluster.model.schedules import DeploySchedule
from cluster.model.second_factors import SecondFactor
from cluster.model.secrets import FileContent, RegistryCredential, StoredFile
from cluster.model.service import Assignment, Revision, RouterState, Service
from cluster.model.settings import Setting
from cluster.model.sign_in import SignInProvider
from cluster.model.watching import ImageWatch
from cluster.model.web_certificates import WebCertificate
from cluster.model.webhooks import Delivery, Webhook, WebhookStanding
from cluster.model.windows import ChangeWindow, Freeze
from cluster.store import tables
from cluster.store.protocol import ReadTxn, WriteTxn
from cluster.store.tables import Table

_T = TypeVar("_T")

Part: TypeAlias = str | int


def key_of(*parts: Part) -> bytes:
    """Return the key made of `parts`; of fewer parts than the table's keys have, the prefix they share.

    Text holds no zero character: the rules of ids and names leave it out.
    """
    key = b""
    for part in parts:
        key += part.encode() + b"\x00" if isinstance(part, str) else part.to_bytes(8)
    return key


def parts_of(key: bytes, types: tuple[type[str] | type[int], ...]) -> tuple[Part, ...]:
    """Return the parts of a key of a table whose keys are made of `types`."""
    parts: list[Part] = []
    for kind in types:
        if kind is int:
            parts.append(int.from_bytes(key[:8]))
            key = key[8:]
        else:
            text, _, key = key.partition(b"\x00")
            parts.append(text.decode())
    return tuple(parts)


_KEPT_RECORDS = 1024
_KEPT_RECORD_BYTES = 512


class Records(Generic[_T]):
    """The records of one table, by the parts of their key.

    Records are kept with the bytes they are made of, a bounded number of small ones: what is read was mostly
    written or read not long ago, and decoding it costs several times what finding it does. A record never
    changes, so whoever asks may have the same one, in any thread. When enough new ones have come, those not
    asked for since the last time go.
    """

    __slots__ = ("_codec", "_kept", "_kept_before", "_parts", "table", "types")

    def __init__(
        self,
        table: Table,
        cls: type[_T],
        types: tuple[type[str] | type[int], ...],
        parts: Callable[[_T], tuple[Part, ...]],
    ) -> None:
        self.table = table
        self.types = types
        self._codec = codec(cls)
        self._parts = parts
        self._kept: dict[bytes, _T] = {}
        self._kept_before: dict[bytes, _T] = {}

    def get(self, txn: ReadTxn, *parts: Part) -> _T | None:
        data = txn.get(self.table, key_of(*parts))
        return None if data is None else self._decode(data)

    def put(self, txn: WriteTxn, record: _T) -> None:
        data = self._codec.encode(record)
        txn.put(self.table, key_of(*self._parts(record)), data)
        self._keep(data, record)

    def _decode(self, data: bytes) -> _T:
        record = self._kept.get(data)
        if record is None:
            record = self._kept_before.get(data)
            if record is None:
                record = self._codec.decode(data)
            self._keep(data, record)
        return record

    def _keep(self, data: bytes, record: _T) -> None:
        if len(data) <= _KEPT_RECORD_BYTES:
            if len(self._kept) >= _KEPT_RECORDS:
                self._kept_before, self._kept = self._kept, {}
            self._kept[data] = record

    def delete(self, txn: WriteTxn, *parts: Part) -> None:
        txn.delete(self.table, key_of(*parts))

    def scan(
        self,
        txn: ReadTxn,
        *prefix: Part,
        after: tuple[Part, ...] | None = None,
        limit: int | None = None,
        reverse: bool = False,
    ) -> list[_T]:
        """Return the records whose key begins with `prefix`, in key order, at most `limit`, past `after`."""
        rows = txn.scan(
            self.table,
            key_of(*prefix),
            after=None if after is None else key_of(*after),
            limit=limit,
            reverse=reverse,
        )
        return [self._decode(value) for _, value in rows]

    def newest_with(self, txn: ReadTxn, text: str, *, limit: int) -> list[_T]:
        """Return those of the last `limit` records that have `text` somewhere, the newest first.

        Text is kept as it is, so the others need not be decoded.
        """
        wanted = text.encode()
        rows = txn.scan(self.table, b"", limit=limit, reverse=True)
        return [self._decode(value) for _, value in rows if wanted in value]

    def parts_of(self, key: bytes) -> tuple[Part, ...]:
        """Return the parts of a key of this table, as the feed of changes gives it."""
        return parts_of(key, self.types)


class Index:
    """Keys in an order of their own that lead to records elsewhere."""

    __slots__ = ("table", "types")

    def __init__(self, table: Table, types: tuple[type[str] | type[int], ...]) -> None:
        self.table = table
        self.types = types

    def add(self, txn: WriteTxn, *parts: Part) -> None:
        txn.put(self.table, key_of(*parts), b"")

    def remove(self, txn: WriteTxn, *parts: Part) -> None:
        txn.delete(self.table, key_of(*parts))

    def scan(
        self, txn: ReadTxn, *prefix: Part, limit: int | None = None, reverse: bool = False
    ) -> list[tuple[Part, ...]]:
        rows = txn.scan(self.table, key_of(*prefix), limit=limit, reverse=reverse)
        return [parts_of(key, self.types) for key, _ in rows]


class Single(Generic[_T]):
    """A record there is one of, in the control table."""

    __slots__ = ("_codec", "key")

    def __init__(self, name: str, cls: type[_T]) -> None:
        self.key = name.encode()
        self._codec = codec(cls)

    def get(self, txn: ReadTxn) -> _T | None:
        data = txn.get(tables.CONTROL, self.key)
        return None if data is None else self._codec.decode(data)

    def put(self, txn: WriteTxn, record: _T) -> None:
        txn.put(tables.CONTROL, self.key, self._codec.encode(record))


SETTINGS = Records(tables.SETTINGS, Setting, (str,), lambda r: (r.key,))
NODES = Records(tables.NODES, Node, (str,), lambda r: (r.id,))
JOIN_TOKENS = Records(tables.JOIN_TOKENS, JoinToken, (str,), lambda r: (r.id,))
CERTIFICATES = Records(tables.CERTIFICATES, Certificate, (str, str), lambda r: (r.node_id, r.serial))
"""By (node id, serial)."""

PRINCIPALS = Records(tables.PRINCIPALS, Principal, (str,), lambda r: (r.id,))
API_TOKENS = Records(tables.API_TOKENS, ApiToken, (str,), lambda r: (r.prefix,))
API_TOKENS_BY_PRINCIPAL = Index(tables.API_TOKENS_BY_PRINCIPAL, (str, str))
CUSTOM_ROLES = Records(tables.CUSTOM_ROLES, CustomRole, (str,), lambda r: (r.name,))
BINDINGS = Records(tables.BINDINGS, Binding, (str, str), lambda r: (str(r.holder), r.id))
"""By (holder, id); a holder is `user:<id>` or `token:<prefix>`."""
LOGINS = Records(tables.LOGINS, LoginSession, (str,), lambda r: (r.id,))
LOGINS_BY_PRINCIPAL = Index(tables.LOGINS_BY_PRINCIPAL, (str, str))
SECOND_FACTORS = Records(tables.SECOND_FACTORS, SecondFactor, (str,), lambda r: (r.principal_id,))
"""By principal."""
TOKEN_USES = Records(tables.TOKEN_USES, TokenUse, (str,), lambda r: (r.prefix,))
PROVIDERS = Records(tables.PROVIDERS, SignInProvider, (str,), lambda r: (r.id,))
PRINCIPALS_BY_SUBJECT = Index(tables.PRINCIPALS_BY_SUBJECT, (str, str))
"""(subject key, principal id)."""

SERVICES = Records(tables.SERVICES, Service, (str,), lambda r: (r.id,))
REVISIONS = Records(tables.REVISIONS, Revision, (str, int), lambda r: (r.service_id, r.number))
ASSIGNMENTS = Records(
    tables.ASSIGNMENTS,
    Assignment,
    (str, int, int, str),
    lambda r: (r.service_id, r.revision, r.ordinal, r.node_id),
)
"""By (service id, revision, ordinal, node id)."""
ASSIGNMENTS_BY_NODE = Index(tables.ASSIGNMENTS_BY_NODE, (str, str, int, int))
"""(node id, service id, revision, ordinal)."""
ROLLOUTS = Records(tables.ROLLOUTS, Rollout, (str,), lambda r: (r.id,))
ROLLOUTS_BY_SERVICE = Index(tables.ROLLOUTS_BY_SERVICE, (str, int, str))
"""(service id, log index of its start, rollout id)."""
ROUTERS = Records(tables.ROUTERS, RouterState, (str,), lambda r: (r.node_id,))

FILES = Records(tables.FILES, StoredFile, (str, str, str), lambda r: (r.kind.value, r.environment, r.name))
"""By (kind, environment, name)."""
FILE_CONTENTS = Records(
    tables.FILE_CONTENTS,
    FileContent,
    (str, str, str, int),
    lambda r: (r.kind.value, r.environment, r.name, r.version),
)
"""By (kind, environment, name, version)."""
FILE_USERS = Index(tables.FILE_USERS, (str, str, str, int, str, int))
"""(kind, environment, name, version, service id, revision)."""
REGISTRY_CREDENTIALS = Records(
    tables.REGISTRY_CREDENTIALS, RegistryCredential, (str,), lambda r: (r.registry,)
)
ROUTE_CERTIFICATES = Records(tables.ROUTE_CERTIFICATES, RouteCertificate, (str,), lambda r: (r.name,))
WEB_CERTIFICATES = Records(tables.WEB_CERTIFICATES, WebCertificate, (str,), lambda r: (r.name,))

ENVIRONMENTS = Records(tables.ENVIRONMENTS, Environment, (str,), lambda r: (r.name,))
"""By name: those that were put. `find_environment` also knows the ones that are there by themselves."""

SCHEDULES = Records(tables.SCHEDULES, DeploySchedule, (str,), lambda r: (r.id,))
WINDOWS = Records(tables.WINDOWS, ChangeWindow, (str,), lambda r: (r.id,))
FREEZES = Records(tables.FREEZES, Freeze, (str,), lambda r: (r.id,))
WATCHES = Records(tables.WATCHES, ImageWatch, (str,), lambda r: (r.service_id,))
"""By service id."""

ALERT_RULES = Records(tables.ALERT_RULES, AlertRule, (str,), lambda r: (r.id,))
"""Those that were put. `cluster.alerts.rules_in_force` also knows the ones that are built in."""
ALERTS = Records(tables.ALERTS, Alert, (int,), lambda r: (r.number,))
"""By number: a ring of the newest `ALERTS_KEPT`."""
ALERTS_OPEN = Index(tables.ALERTS_OPEN, (str, str, int))
"""(rule id, the subject's key, number) of what is not resolved."""
SILENCES = Records(tables.SILENCES, Silence, (str,), lambda r: (r.id,))

EVENTS = Records(tables.EVENTS, Event, (int,), lambda r: (r.sequence,))
"""By sequence: a ring of the newest `EVENTS_KEPT`."""

WEBHOOKS = Records(tables.WEBHOOKS, Webhook, (str,), lambda r: (r.id,))
DELIVERIES = Records(tables.DELIVERIES, Delivery, (str, int), lambda r: (r.webhook_id, r.event.sequence))
"""By (webhook, event's sequence): of each the newest `DELIVERIES_KEPT`."""
DELIVERIES_BY_STATE = Index(tables.DELIVERIES_BY_STATE, (str, int, int))
"""(webhook, 0 while it waits and 1 once it has ended, event's sequence)."""
WEBHOOK_STANDINGS = Records(tables.WEBHOOK_STANDINGS, WebhookStanding, (str,), lambda r: (r.webhook_id,))

EXPORTS = Records(tables.EXPORTS, Export, (str,), lambda r: (r.id,))
EXPORT_STANDINGS = Records(tables.EXPORT_STANDINGS, ExportStanding, (str,), lambda r: (r.export_id,))

PLANS = Records(tables.PLANS, Plan, (str,), lambda r: (r.id,))

CONVERSATIONS = Records(tables.CONVERSATIONS, Conversation, (str, str), lambda r: (r.principal_id, r.id))
"""By (principal, id)."""
CONVERSATIONS_BY_AGE = Index(tables.CONVERSATIONS_BY_AGE, (int, str, str))
"""(log time of its last exchange, principal, id)."""
EXCHANGES = Records(
    tables.EXCHANGES, KeptExchange, (str, str, int), lambda r: (r.principal_id, r.conversation_id, r.number)
)
"""By (principal, conversation, number)."""
TOKENS_USED = Records(tables.TOKENS_USED, TokensUsed, (str,), lambda r: (r.principal_id,))
"""By principal."""

METRIC_SUBJECTS = Records(tables.METRIC_SUBJECTS, Subject, (int,), lambda r: (r.number,))
METRIC_SUBJECTS_BY_KEY = Index(tables.METRIC_SUBJECTS_BY_KEY, (str, int, str, int))
"""(node id, kind, key, number)."""
METRIC_BATCHES = Records(tables.METRIC_BATCHES, CommittedBatch, (int,), lambda r: (r.index,))
"""By log index: the last hour's."""
METRIC_SOURCES = Records(tables.METRIC_SOURCES, SourceMark, (str,), lambda r: (r.source,))
METRIC_HOURS = Records(tables.METRIC_HOURS, CommittedHour, (int,), lambda r: (r.hour_ms,))

AUDIT = Records(tables.AUDIT, AuditEntry, (int,), lambda r: (r.sequence,))

LEADER_TERM = Single("leader-term", LeaderTerm)
CLUSTER = Single("cluster", ClusterIdentity)
EVENT_COUNT = Single("event-count", EventCount)
ALERT_COUNT = Single("alert-count", AlertCount)
METRIC_BOOKS = Single("metric-books", MetricBooks)
SETUP_TOKEN = Single("setup-token", SetupToken)


def find_environment(txn: ReadTxn, name: str) -> Environment | None:
    """Return an environment, one of the well-known with its defaults until it is put."""
    found = ENVIRONMENTS.get(txn, name) if name else None
    if found is None and name in KNOWN_ENVIRONMENTS:
        return Environment(name=name)
    return found


def open_alert(txn: ReadTxn, rule_id: str, subject_key: str) -> Alert | None:
    """Return the alert of a rule and a subject that is not resolved."""
    found = ALERTS_OPEN.scan(txn, rule_id, subject_key, limit=1)
    return ALERTS.get(txn, found[0][-1]) if found else None


def open_alerts(txn: ReadTxn) -> list[Alert]:
    """Return every alert that is not resolved."""
    found = (ALERTS.get(txn, number) for *_, number in ALERTS_OPEN.scan(txn))
    return [alert for alert in found if alert is not None]


def waiting_deliveries(
    txn: ReadTxn, webhook_id: str, *, limit: int, newest_first: bool = False
) -> list[Delivery]:
    """Return what waits for a webhook, in the order it happened."""
    rows = DELIVERIES_BY_STATE.scan(txn, webhook_id, 0, limit=limit, reverse=newest_first)
    found = (DELIVERIES.get(txn, webhook_id, sequence) for *_, sequence in rows)
    return [delivery for delivery in found if delivery is not None]


def find_subject(txn: ReadTxn, definition: SubjectDefinition) -> Subject | None:
    """Return the subject that is defined there, whatever it is called now."""
    for *_, number in METRIC_SUBJECTS_BY_KEY.scan(txn, *definition.place, limit=1):
        return METRIC_SUBJECTS.get(txn, number)
    return None


def assignments_of_node(txn: ReadTxn, node_id: str) -> list[Assignment]:
    """Return what one host is to do."""
    found = []
    for _, service_id, revision, ordinal in ASSIGNMENTS_BY_NODE.scan(txn, node_id):
        assignment = ASSIGNMENTS.get(txn, service_id, revision, ordinal, node_id)
        assert assignment is not None
        found.append(assignment)
    return found


def rollouts_of_service(txn: ReadTxn, service_id: str, *, limit: int | None = None) -> list[Rollout]:
    """Return a service's rollouts, newest first."""
    found = (
        ROLLOUTS.get(txn, rollout_id)
        for _, _, rollout_id in ROLLOUTS_BY_SERVICE.scan(txn, service_id, limit=limit, reverse=True)
    )
    return [rollout for rollout in found if rollout is not None]


def principal_by_name(txn: ReadTxn, name: str) -> Principal | None:
    """Return the account of that name, whatever its case."""
    data = txn.get(tables.PRINCIPAL_NAMES, key_of(name.lower()))
    return None if data is None else PRINCIPALS.get(txn, unpack(data))


def put_principal_name(txn: WriteTxn, principal: Principal) -> None:
    txn.put(tables.PRINCIPAL_NAMES, key_of(principal.name.lower()), pack(principal.id))


def delete_principal_name(txn: WriteTxn, principal: Principal) -> None:
    txn.delete(tables.PRINCIPAL_NAMES, key_of(principal.name.lower()))


def setting_values(txn: ReadTxn, prefix: str = "") -> dict[str, str]:
    """Return the settings that are set, by key, whose key begins with `prefix`."""
    rows = txn.scan(tables.SETTINGS, prefix.encode())
    settings = (codec(Setting).decode(value) for _, value in rows)
    return {setting.key: setting.value for setting in settings if setting.value is not None}


_AUDIT_FRONTIER = b"audit-frontier"


def audit_frontier(txn: ReadTxn) -> Frontier:
    """Return the audit tree as far as appending needs it."""
    data = txn.get(tables.CONTROL, _AUDIT_FRONTIER)
    return Frontier() if data is None else Frontier(*unpack(data))


def put_audit_frontier(txn: WriteTxn, frontier: Frontier) -> None:
    txn.put(tables.CONTROL, _AUDIT_FRONTIER, pack([frontier.size, frontier.hashes]))


def put_audit_leaf(txn: WriteTxn, sequence: int, data: bytes, leaf: bytes) -> None:
    """Keep an entry's bytes, and its leaf hash apart: the hash stays when the entry is trimmed one day."""
    key = key_of(sequence)
    txn.put(tables.AUDIT, key, data)
    txn.put(tables.AUDIT_LEAVES, key, leaf)


def audit_head(txn: ReadTxn) -> AuditHead:
    """Return the number of audit entries and the root over them."""
    return head_of(audit_frontier(txn))


def audit_leaves(txn: ReadTxn, start: int, stop: int) -> list[bytes]:
    """Return the leaf hashes of entries [start, stop), for proofs."""
    if start >= stop:
        return []
    after = key_of(start - 1) if start else None
    return [leaf for _, leaf in txn.scan(tables.AUDIT_LEAVES, after=after, limit=stop - start)]
