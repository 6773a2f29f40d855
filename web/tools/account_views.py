"""What is shown of accounts' own affairs: second factors, logins, and the steps of logging in."""

from __future__ import annotations

from dataclasses import dataclass, field

from cluster.model.access import Role


@dataclass(frozen=True, slots=True, kw_only=True)
class QrView:
    """A QR code: `size` modules a side, quiet zone included; `path` is the d of an SVG path in modules."""

    size: int
    path: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class EnrolmentView:
    """A new authenticator to be: for typing, for a link and as a picture. It is kept once a code of it comes
    back with the ticket.
    """

    secret: str = field(repr=False)
    uri: str = field(repr=False)
    qr: QrView = field(repr=False)
    ticket: str = field(repr=False)
    expires_in_s: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ChallengeView:
    """The password was right, and there is no login yet: a code is needed with `challenge`.

    `enrolment` is there when an authenticator is required and there is none: send a code of it, and its
    ticket.
    """

    challenge: str = field(repr=False)
    expires_in_s: int
    enrolment: EnrolmentView | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class SecondFactorView:
    """An account's authenticator. `is_required`: the cluster's settings ask for one."""

    is_enrolled: bool
    is_required: bool
    enrolled_at_ms: int | None
    recovery_codes_left: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountView:
    """One's own account. `provider` is the label of the identity provider that vouches for it, or empty, and
    `provider_id` its id.
    """

    id: str
    name: str
    role: Role
    has_password: bool
    provider: str
    provider_id: str
    created_at_ms: int
    second_factor: SecondFactorView


@dataclass(frozen=True, slots=True, kw_only=True)
class RecoveryCodesView:
    """Codes for the day the authenticator is lost, each for one use. They are shown once."""

    recovery_codes: tuple[str, ...] = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionView:
    """One login that lives. `browser`, `system` and `kind` (desktop, mobile, program) are what it said.

    `last_used_at_ms` is told in steps of ten minutes. `provider` names the identity provider it came through.
    """

    id: str
    user_id: str
    user_name: str
    browser: str
    system: str
    kind: str
    user_agent: str
    ip: str
    started_at_ms: int
    last_used_at_ms: int
    expires_at_ms: int
    is_current: bool
    provider: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EndedView:
    """How many logins were ended."""

    ended: int
