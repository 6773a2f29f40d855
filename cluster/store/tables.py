"""The tables, their numbers and what each key is made of.

All tables share one B-tree; a key is the table's number (one byte) and then the table's own key. The numbers
are on disk and in the state hash: append only, never reused.
"""

from __future__ import annotations

from dataclasses import dataclass, field

SCHEMA_VERSION = 1
"""Written into every store. A higher number on disk was written by a newer version and is not opened."""

KEY_BYTES_MAX = 480
"""Longest key of a table. LMDB's own limit is 511 with the table's byte."""


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """One table. Watched ones appear in the feed of committed changes.

    What is written to a table that is not hashed is left out of the state hash: nodes of two versions may
    word it differently.
    """

    number: int
    name: str
    is_watched: bool = True
    is_hashed: bool = True
    prefix: bytes = field(init=False)

    def __post_init__(self) -> None:
        assert 0 < self.number < 255
        object.__setattr__(self, "prefix", bytes((self.number,)))

    def __repr__(self) -> str:
        return f"Table({self.name})"


# The store's own.
META = Table(1, "meta", is_watched=False)
CHECKPOINTS = Table(2, "checkpoints", is_watched=False)

# The state machine's book-keeping.
CONTROL = Table(3, "control")
CLIENTS = Table(4, "clients", is_watched=False)
CLIENT_OUTCOMES = Table(5, "client_outcomes", is_watched=False, is_hashed=False)
CLIENT_TIMES = Table(6, "client_times", is_watched=False)

SETTINGS = Table(10, "settings")
NODES = Table(11, "nodes")
JOIN_TOKENS = Table(12, "join_tokens")
CERTIFICATES = Table(13, "certificates")

PRINCIPALS = Table(20, "principals")
PRINCIPAL_NAMES = Table(21, "principal_names", is_watched=False)
API_TOKENS = Table(22, "api_tokens")
LOGINS = Table(23, "logins")
LOGINS_BY_PRINCIPAL = Table(24, "logins_by_principal", is_watched=False)
API_TOKENS_BY_PRINCIPAL = Table(25, "api_tokens_by_principal", is_watched=False)
SECOND_FACTORS = Table(26, "second_factors")
TOKEN_USES = Table(27, "token_uses", is_watched=False)
PROVIDERS = Table(28, "providers")
PRINCIPALS_BY_SUBJECT = Table(29, "principals_by_subject", is_watched=False)

SERVICES = Table(30, "services")
REVISIONS = Table(31, "revisions")
ASSIGNMENTS = Table(32, "assignments")
ASSIGNMENTS_BY_NODE = Table(33, "assignments_by_node", is_watched=False)
ROLLOUTS = Table(34, "rollouts")
ROLLOUTS_BY_SERVICE = Table(35, "rollouts_by_service", is_watched=False)
ROUTERS = Table(36, "routers")
RETIRED_SERVICES = Table(37, "retired_services", is_watched=False)

AUDIT = Table(40, "audit")
AUDIT_LEAVES = Table(41, "audit_leaves", is_watched=False)

FILES = Table(50, "files")
FILE_CONTENTS = Table(51, "file_contents", is_watched=False)
FILE_USERS = Table(52, "file_users", is_watched=False)
REGISTRY_CREDENTIALS = Table(53, "registry_credentials")

ROUTE_CERTIFICATES = Table(54, "route_certificates")
WEB_CERTIFICATES = Table(55, "web_certificates")
ENVIRONMENTS = Table(56, "environments")

SCHEDULES = Table(60, "schedules")
WINDOWS = Table(61, "windows")
FREEZES = Table(62, "freezes")
WATCHES = Table(63, "watches")

METRIC_SUBJECTS = Table(70, "metric_subjects")
METRIC_SUBJECTS_BY_KEY = Table(71, "metric_subjects_by_key", is_watched=False)
METRIC_BATCHES = Table(72, "metric_batches")
METRIC_SOURCES = Table(73, "metric_sources", is_watched=False)
METRIC_HOURS = Table(74, "metric_hours", is_watched=False)

ALERT_RULES = Table(80, "alert_rules")
ALERTS = Table(81, "alerts")
ALERTS_OPEN = Table(82, "alerts_open", is_watched=False)
SILENCES = Table(83, "silences")

EVENTS = Table(85, "events")
WEBHOOKS = Table(86, "webhooks")
DELIVERIES = Table(87, "deliveries")
DELIVERIES_BY_STATE = Table(88, "deliveries_by_state", is_watched=False)
WEBHOOK_STANDINGS = Table(89, "webhook_standings", is_watched=False)

EXPORTS = Table(90, "exports")
EXPORT_STANDINGS = Table(91, "export_standings")

CUSTOM_ROLES = Table(95, "custom_roles")
BINDINGS = Table(96, "bindings")

PLANS = Table(100, "plans")

CONVERSATIONS = Table(105, "conversations")
CONVERSATIONS_BY_AGE = Table(106, "conversations_by_age", is_watched=False)
EXCHANGES = Table(107, "exchanges", is_watched=False)
TOKENS_USED = Table(108, "tokens_used", is_watched=False)

ALL_TABLES: tuple[Table, ...] = tuple(value for value in dict(globals()).values() if isinstance(value, Table))

BY_NUMBER: dict[int, Table] = {table.number: table for table in ALL_TABLES}
BY_NAME: dict[str, Table] = {table.name: table for table in ALL_TABLES}
assert len(BY_NUMBER) == len(BY_NAME) == len(ALL_TABLES)
