"""Commands on second factors and on several logins at once. Secrets come sealed, codes as hashes."""

from __future__ import annotations

from dataclasses import dataclass, field

from cluster.model import rules
from cluster.model.ids import LoginId, PrincipalId
from cluster.model.second_factors import RECOVERY_CODES

HASH_BYTES = 32
STEP_MAX = 2**53


def check_recovery_hashes(hashes: tuple[bytes, ...]) -> None:
    """Raises ValueError."""
    rules.check_count("recovery hashes", hashes, RECOVERY_CODES)
    for each in hashes:
        rules.check_range("recovery hash, bytes", len(each), HASH_BYTES, HASH_BYTES)


def check_proof(step: int, recovery_hash: bytes) -> None:
    """What shows that somebody has the factor: a code's time step, or the hash of a recovery code."""
    rules.check_range("step", step, 0, STEP_MAX)
    if recovery_hash:
        rules.check_range("recovery hash, bytes", len(recovery_hash), HASH_BYTES, HASH_BYTES)


@dataclass(frozen=True, slots=True, kw_only=True)
class PutSecondFactor:
    """Keep an account's authenticator, of which a code with time step `step` was just shown.

    Rejected for an account that has one already, or that has no password.
    """

    principal_id: PrincipalId
    sealed_secret: bytes = field(repr=False)
    step: int
    recovery_hashes: tuple[bytes, ...] = field(repr=False)

    def __post_init__(self) -> None:
        rules.check_id("principal id", self.principal_id)
        rules.check_range("sealed secret, bytes", len(self.sealed_secret), 1, 256)
        rules.check_range("step", self.step, 0, STEP_MAX)
        check_recovery_hashes(self.recovery_hashes)


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveSecondFactor:
    """Forget it. With `step` or `recovery_hash` only if that proof counts; with neither it is a reset."""

    principal_id: PrincipalId
    step: int = 0
    recovery_hash: bytes = field(default=b"", repr=False)

    def __post_init__(self) -> None:
        rules.check_id("principal id", self.principal_id)
        check_proof(self.step, self.recovery_hash)


@dataclass(frozen=True, slots=True, kw_only=True)
class PutRecoveryCodes:
    """Keep new recovery codes in place of all earlier ones, for who shows a code with time step `step`."""

    principal_id: PrincipalId
    recovery_hashes: tuple[bytes, ...] = field(repr=False)
    step: int

    def __post_init__(self) -> None:
        rules.check_id("principal id", self.principal_id)
        check_recovery_hashes(self.recovery_hashes)
        rules.check_range("step", self.step, 1, STEP_MAX)


@dataclass(frozen=True, slots=True, kw_only=True)
class EndLogins:
    """End every login of an account but `but`. Result: how many."""

    principal_id: PrincipalId
    but: LoginId | None = None

    def __post_init__(self) -> None:
        rules.check_id("principal id", self.principal_id)
        if self.but is not None:
            rules.check_id("login id", self.but)
