"""Commands on accounts, logins and tokens. Secrets come as hashes only."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from cluster.commands.second_factors import check_proof
from cluster.model import rules
from cluster.model.access import Role
from cluster.model.ids import LoginId, PrincipalId, TokenPrefix

SECRET_HASH_BYTES = 32
PASSWORD_HASH_CHARS_MAX = 512
SCOPES_MAX = 64
TOOLSETS_MAX = 32
_USER_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@+-]{0,63}")


def check_user_name(name: str) -> None:
    """Raises ValueError."""
    # ASCII: what letters of other scripts have in common depends on the Unicode version of each node's
    # Python.
    if not _USER_NAME.fullmatch(name):
        raise ValueError(
            f"user name {name!r}: 1 to 64 of A-Z a-z 0-9 . _ @ + -, beginning with a letter or digit"
        )


def _check_secret_hash(value: bytes) -> None:
    rules.check_range("secret hash, bytes", len(value), SECRET_HASH_BYTES, SECRET_HASH_BYTES)


def _check_password_hash(value: str | None) -> None:
    if value is not None:
        rules.check_text("password hash", value, PASSWORD_HASH_CHARS_MAX, chars_min=1)
        if not value.startswith("$argon2id$"):
            raise ValueError("password hash: an Argon2id PHC string ($argon2id$...) is needed")


@dataclass(frozen=True, slots=True, kw_only=True)
class PutSetupToken:
    """Keep the one-time token that makes the first administrator, in place of an earlier one.

    Rejected once an administrator exists.
    """

    secret_hash: bytes = field(repr=False)
    expires_at_ms: int | None

    def __post_init__(self) -> None:
        _check_secret_hash(self.secret_hash)


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateUser:
    """Make an account; the name is free of case and must be new.

    With `setup_secret_hash` it uses up the setup token of that hash, or is rejected.
    """

    principal_id: PrincipalId
    name: str
    role: Role
    password_hash: str | None = field(repr=False)
    setup_secret_hash: bytes | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        rules.check_id("principal id", self.principal_id)
        check_user_name(self.name)
        _check_password_hash(self.password_hash)
        if self.setup_secret_hash is not None:
            _check_secret_hash(self.setup_secret_hash)


@dataclass(frozen=True, slots=True, kw_only=True)
class SetPassword:
    """Replace an account's password hash (None: no login by password), and end its logins. Result: the new
    epoch."""

    principal_id: PrincipalId
    password_hash: str | None = field(repr=False)

    def __post_init__(self) -> None:
        rules.check_id("principal id", self.principal_id)
        _check_password_hash(self.password_hash)


@dataclass(frozen=True, slots=True, kw_only=True)
class RehashPassword:
    """Keep the same password under a dearer hash, if `replaced` is still the one kept. Ends nothing."""

    principal_id: PrincipalId
    replaced: str = field(repr=False)
    password_hash: str = field(repr=False)

    def __post_init__(self) -> None:
        rules.check_id("principal id", self.principal_id)
        _check_password_hash(self.replaced)
        _check_password_hash(self.password_hash)


@dataclass(frozen=True, slots=True, kw_only=True)
class SetRole:
    """Change an account's role. Result: the new epoch. The last administrator keeps the role."""

    principal_id: PrincipalId
    role: Role

    def __post_init__(self) -> None:
        rules.check_id("principal id", self.principal_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveUser:
    """Remove an account with its logins and API tokens. The last administrator stays."""

    principal_id: PrincipalId

    def __post_init__(self) -> None:
        rules.check_id("principal id", self.principal_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateApiToken:
    """Keep an API token of an account. Its role is at most the account's."""

    prefix: TokenPrefix
    name: str
    secret_hash: bytes = field(repr=False)
    principal_id: PrincipalId
    role: Role
    scopes: frozenset[str]
    expires_at_ms: int | None
    is_read_only: bool = False
    toolsets: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        rules.check_id("token prefix", self.prefix)
        rules.check_id("principal id", self.principal_id)
        rules.check_text("token name", self.name, 128)
        _check_secret_hash(self.secret_hash)
        rules.check_count("scopes", tuple(self.scopes), SCOPES_MAX)
        for scope in self.scopes:
            rules.check_text("scope", scope, 128, chars_min=1)
        rules.check_count("toolsets", tuple(self.toolsets), TOOLSETS_MAX)
        for toolset in self.toolsets:
            rules.check_text("toolset", toolset, 64, chars_min=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class RevokeApiToken:
    """Accept this token no more."""

    prefix: TokenPrefix

    def __post_init__(self) -> None:
        rules.check_id("token prefix", self.prefix)


@dataclass(frozen=True, slots=True, kw_only=True)
class StartLogin:
    """Keep a new login and the hash of its first refresh token. The account's dead logins are forgotten.

    For an account with a second factor, `step` is the time step of the code that was shown, or
    `recovery_hash` the recovery code's; each counts once. `provider_id` names the identity provider that said
    who it is, instead of a password.
    """

    login_id: LoginId
    principal_id: PrincipalId
    secret_hash: bytes = field(repr=False)
    idle_expires_at_ms: int
    expires_at_ms: int
    ip: str = ""
    user_agent: str = ""
    step: int = 0
    recovery_hash: bytes = field(default=b"", repr=False)
    provider_id: str = ""

    def __post_init__(self) -> None:
        rules.check_id("login id", self.login_id)
        rules.check_id("principal id", self.principal_id)
        _check_secret_hash(self.secret_hash)
        rules.check_text("ip", self.ip, 64)
        rules.check_text("user agent", self.user_agent, 512)
        check_proof(self.step, self.recovery_hash)
        if self.provider_id:
            rules.check_name("provider id", self.provider_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class RotateLogin:
    """Advance a login's refresh token from `expected_generation` to the next. Result: the new generation.

    Rejected with VERSION_CONFLICT when another node did so first.
    """

    login_id: LoginId
    expected_generation: int
    secret_hash: bytes = field(repr=False)
    rotated_at_ms: int
    idle_expires_at_ms: int

    def __post_init__(self) -> None:
        rules.check_id("login id", self.login_id)
        _check_secret_hash(self.secret_hash)


@dataclass(frozen=True, slots=True, kw_only=True)
class EndLogin:
    """End a login: logged out, or its token was copied. The record stays until its time is over."""

    login_id: LoginId

    def __post_init__(self) -> None:
        rules.check_id("login id", self.login_id)
