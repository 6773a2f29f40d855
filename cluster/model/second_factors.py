"""The second factor of a login: an authenticator's codes (RFC 6238), and codes for the day it is lost."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from cluster.model.access import Role
from cluster.model.ids import PrincipalId

SECOND_FACTOR_SETTING = "auth.second_factor"
"""Of whom a second factor is required."""
RECOVERY_CODES = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class SecondFactor:
    """An account's authenticator, once its owner has shown a code of it.

    `last_step` is the time step (of 30 s) of the last code that was accepted: none is accepted twice, nor an
    older one. `recovery_hashes` are those of the codes not used yet.
    """

    principal_id: PrincipalId
    sealed_secret: bytes = field(repr=False)
    last_step: int
    recovery_hashes: tuple[bytes, ...] = field(repr=False)
    enrolled_at_ms: int


class SecondFactorPolicy(StrEnum):
    """Who needs one. Accounts of an identity provider are its own to check, and never need one here."""

    OPTIONAL = "optional"
    ADMINISTRATORS = "administrators"
    EVERYONE = "everyone"

    def requires(self, role: Role) -> bool:
        """Whether an account of this role needs one."""
        if self is SecondFactorPolicy.ADMINISTRATORS:
            return role.includes(Role.ADMIN)
        return self is SecondFactorPolicy.EVERYONE


def second_factor_policy(values: Mapping[str, str]) -> SecondFactorPolicy:
    """Return the policy of stored settings; optional by default. Raises ValueError naming value and rule."""
    text = values.get(SECOND_FACTOR_SETTING, SecondFactorPolicy.OPTIONAL.value)
    try:
        return SecondFactorPolicy(text)
    except ValueError:
        known = ", ".join(SecondFactorPolicy)
        raise ValueError(f"{SECOND_FACTOR_SETTING} {text[:40]!r}: one of {known}") from None


def second_factor_context(principal_id: str) -> str:
    """The place an authenticator's secret is sealed for."""
    return f"second-factor/{principal_id}"
