"""Codes besides the password: asked for at the login, enrolled and turned off by their owner.

Decided in the log: which code was used. Decided here: whether it is right, since that takes the secret.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass, field

from cluster.commands import Code, Rejected
from cluster.commands.second_factors import PutRecoveryCodes, PutSecondFactor, RemoveSecondFactor
from cluster.identity.errors import SealBroken
from cluster.identity.one_time_codes import (
    RECOVERY_BYTES,
    SECRET_BYTES,
    authenticator_uri,
    looks_like_code,
    matching_step,
    recovery_code,
    recovery_hash,
    secret_text,
)
from cluster.identity.refusal import Refused
from cluster.identity.sealing import NONCE_BYTES
from cluster.identity.stored_secrets import open_second_factor, seal_second_factor
from cluster.identity.tickets import TicketKind, make_ticket, open_ticket
from cluster.model.access import Principal
from cluster.model.ids import PrincipalId
from cluster.model.second_factors import (
    RECOVERY_CODES,
    SECOND_FACTOR_SETTING,
    SecondFactor,
    SecondFactorPolicy,
    second_factor_policy,
)
from cluster.store import records
from web.auth.problems import Problem, invalid
from web.auth.qr_codes import QrCode, qr_code
from web.ports import Surroundings

TICKET_MS = 10 * 60_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """What was shown: the time step of a code, or the hash of a recovery code."""

    step: int = 0
    recovery_hash: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Enrolment:
    """A new authenticator to be: shown once, kept nowhere until a code of it comes back with the ticket."""

    secret: str = field(repr=False)
    uri: str = field(repr=False)
    qr: QrCode = field(repr=False)
    ticket: str = field(repr=False)
    expires_in_s: int = TICKET_MS // 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """An authenticator of which a code was shown, to be kept; and its recovery codes, to be told once."""

    command: PutSecondFactor
    recovery_codes: tuple[str, ...] = field(repr=False)
    step: int


class SecondFactors:
    """What one node knows and checks of them."""

    def __init__(self, surroundings: Surroundings) -> None:
        self._surroundings = surroundings

    def of(self, principal_id: str) -> SecondFactor | None:
        """Return an account's authenticator."""
        with self._surroundings.state.read() as txn:
            return records.SECOND_FACTORS.get(txn, principal_id)

    @property
    def policy(self) -> SecondFactorPolicy:
        """Of whom one is required. What cannot be read requires it of everyone: it fails safe."""
        with self._surroundings.state.read() as txn:
            values = records.setting_values(txn, SECOND_FACTOR_SETTING)
        try:
            return second_factor_policy(values)
        except ValueError:
            return SecondFactorPolicy.EVERYONE

    def is_required(self, principal: Principal) -> bool:
        """Whether the account needs one. Without a password, its provider asks for it."""
        return principal.password_hash is not None and self.policy.requires(principal.role)

    def check(self, factor: SecondFactor, text: str) -> Proof | None:
        """Return what a code or recovery code shows, None when it is wrong. Whether it counts, the log says.

        Raises Problem (503) where this node cannot open the secret.
        """
        if not looks_like_code(text):
            hashed = recovery_hash(factor.principal_id, text)
            is_known = hashed is not None and hashed in factor.recovery_hashes
            return Proof(recovery_hash=hashed or b"") if is_known else None
        step = matching_step(self._open(factor), text, now_ms=self._surroundings.clock.now_ms())
        return None if step is None else Proof(step=step)

    def offer(self, principal: Principal) -> Enrolment:
        """Return a new authenticator for an account."""
        surroundings = self._surroundings
        secret = surroundings.ids.token_bytes(SECRET_BYTES)
        with surroundings.state.read() as txn:
            cluster = records.CLUSTER.get(txn)
        uri = authenticator_uri(
            secret, account=principal.name, cluster="" if cluster is None else cluster.name
        )
        content: dict[str, str | int] = {
            "principal": principal.id,
            "secret": base64.b64encode(secret).decode("ascii"),
        }
        return Enrolment(
            secret=secret_text(secret),
            uri=uri,
            qr=qr_code(uri),
            ticket=self.ticket(TicketKind.ENROLMENT, content),
        )

    def confirm(self, principal_id: str, ticket: str, code: str, *, is_login: bool) -> Shown | None:
        """Return what to keep when `code` is of the authenticator the ticket holds, None when it is not.

        `is_login`: the code is to count once more, for the login it came with. Raises Problem (422) for a
        ticket that is none, of somebody else's account, or over.
        """
        content = self.open(TicketKind.ENROLMENT, ticket, field_name="ticket")
        if content["principal"] != principal_id:
            raise invalid("ticket", "was given out for another account: begin again")
        secret = base64.b64decode(str(content["secret"]))
        step = matching_step(secret, code, now_ms=self._surroundings.clock.now_ms())
        if step is None:
            return None
        surroundings = self._surroundings
        codes, hashes = self._new_recovery_codes(principal_id)
        sealed = seal_second_factor(
            secret,
            surroundings.cluster.keyring(),
            principal_id=principal_id,
            nonce=surroundings.ids.token_bytes(NONCE_BYTES),
        )
        command = PutSecondFactor(
            principal_id=PrincipalId(principal_id),
            sealed_secret=sealed,
            step=step - 1 if is_login else step,
            recovery_hashes=hashes,
        )
        return Shown(command=command, recovery_codes=codes, step=step)

    def renewal(self, factor: SecondFactor, proof: Proof) -> tuple[PutRecoveryCodes, tuple[str, ...]]:
        """Return what replaces the recovery codes, and the new ones."""
        codes, hashes = self._new_recovery_codes(factor.principal_id)
        command = PutRecoveryCodes(principal_id=factor.principal_id, recovery_hashes=hashes, step=proof.step)
        return command, codes

    @staticmethod
    def removal(factor: SecondFactor, proof: Proof) -> RemoveSecondFactor:
        """Return what turns an authenticator off."""
        return RemoveSecondFactor(
            principal_id=factor.principal_id, step=proof.step, recovery_hash=proof.recovery_hash
        )

    def ticket(self, kind: TicketKind, content: dict[str, str | int]) -> str:
        """Return a ticket that any node takes back within ten minutes."""
        surroundings = self._surroundings
        return make_ticket(
            kind,
            content,
            surroundings.cluster.keyring(),
            nonce=surroundings.ids.token_bytes(NONCE_BYTES),
            ends_at_ms=surroundings.clock.now_ms() + TICKET_MS,
        )

    def open(self, kind: TicketKind, text: str, *, field_name: str) -> dict[str, str | int]:
        """Return what a ticket holds. Raises Problem (422)."""
        surroundings = self._surroundings
        content = open_ticket(kind, text, surroundings.cluster.keyring(), now_ms=surroundings.clock.now_ms())
        if isinstance(content, Refused):
            raise invalid(field_name, content.reason)
        return content

    def _open(self, factor: SecondFactor) -> bytes:
        try:
            return open_second_factor(factor, self._surroundings.cluster.keyring())
        except SealBroken as error:
            raise Problem(
                "unavailable",
                "this host cannot open the account's authenticator",
                hint="try another host; a recovery code works here too",
            ) from error

    def _new_recovery_codes(self, principal_id: str) -> tuple[tuple[str, ...], tuple[bytes, ...]]:
        codes = tuple(
            recovery_code(self._surroundings.ids.token_bytes(RECOVERY_BYTES)) for _ in range(RECOVERY_CODES)
        )
        hashes = tuple(recovery_hash(principal_id, code) or b"" for code in codes)
        return codes, hashes


def is_used_up(outcome: object) -> bool:
    """Whether the log refused a proof because it was used before, on this or another node."""
    return isinstance(outcome, Rejected) and outcome.code is Code.EXPIRED
