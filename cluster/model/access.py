"""Who may use the cluster: people, their sessions, and tokens for programs."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from cluster.model.ids import LoginId, PrincipalId, TokenPrefix


class Role(StrEnum):
    """What a principal may do in the whole cluster. Each includes the ones before it.

    NONE gives nothing but one's own account: such a principal may what its bindings allow.
    """

    NONE = "none"
    VIEWER = "viewer"
    OPERATOR = "operator"
    ADMIN = "admin"

    @property
    def rank(self) -> int:
        return _RANKS[self]

    def includes(self, other: Role) -> bool:
        """Whether this role may do all that `other` may."""
        return self.rank >= other.rank


_RANKS = {Role.NONE: 0, Role.VIEWER: 1, Role.OPERATOR: 2, Role.ADMIN: 3}


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """One account. `password_hash` is a PHC string (Argon2id), or None when it cannot log in with a password.

    `epoch` rises with every change that must end what was granted before: password, role, removal. Access
    tokens carry it, and one with an older epoch is refused.

    `provider_id` and `subject_key` are there for an account that an identity provider vouches for; suspended
    is one whose provider gives it no role any more.
    """

    id: PrincipalId
    name: str
    role: Role
    password_hash: str | None = field(repr=False)
    epoch: int
    created_at_ms: int
    changed_at_ms: int
    provider_id: str = ""
    subject_key: str = ""
    is_suspended: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiToken:
    """A token for programs, as kept. Without `expires_at_ms` it lives until it is revoked.

    `is_read_only`: it changes nothing, whatever its role may. `toolsets` are those whose tools it is shown
    and may call, empty: all.
    """

    prefix: TokenPrefix
    name: str
    secret_hash: bytes = field(repr=False)
    principal_id: PrincipalId
    role: Role
    scopes: frozenset[str]
    created_at_ms: int
    expires_at_ms: int | None
    is_revoked: bool = False
    is_read_only: bool = False
    toolsets: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenUse:
    """When an API token was last used, and from where; told in steps of minutes."""

    prefix: TokenPrefix
    used_at_ms: int
    ip: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoginSession:
    """One login and its chain of refresh tokens: the generation now valid, and the hash of its token."""

    id: LoginId
    principal_id: PrincipalId
    generation: int
    secret_hash: bytes = field(repr=False)
    started_at_ms: int
    rotated_at_ms: int
    idle_expires_at_ms: int
    expires_at_ms: int
    ip: str = ""
    user_agent: str = ""
    is_revoked: bool = False
    provider_id: str = ""

    def is_live(self, now_ms: int) -> bool:
        return not self.is_revoked and now_ms < min(self.idle_expires_at_ms, self.expires_at_ms)


@dataclass(frozen=True, slots=True, kw_only=True)
class SetupToken:
    """The one-time token that makes the first administrator, as kept."""

    secret_hash: bytes = field(repr=False)
    expires_at_ms: int | None
    is_used: bool = False
