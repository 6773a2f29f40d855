"""A way back for who lost password or second factor and has nobody above to ask: whoever has the host.

Who may read this host's key could take the whole cluster anyway, so that is asked for, and not a login.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Protocol

from agent.clock import Clock
from agent.ids import Entropy, new_id
from agent.node.founding import PASSWORD_BYTES, SALT_BYTES
from cluster.commands import Code, Outcome, Rejected
from cluster.commands.access import SetPassword
from cluster.commands.second_factors import RemoveSecondFactor
from cluster.identity import base32
from cluster.identity.passwords import CURRENT_COST, Argon2Cost, hash_password
from cluster.model.access import Principal
from cluster.model.audit import AuditStamp
from cluster.model.inventory import HostRefused, HostUnavailable
from cluster.raft.replicator import NotCommitted, OutcomeUnknown, ReadLevel, ReadPoint, ReadUnavailable
from cluster.store import ReadTxn, records

log = logging.getLogger(__name__)

REASON = "`tower user reset` on this host, by who may read its key"


class SharedState(Protocol):
    """What a reset reads and changes."""

    def read(self) -> AbstractContextManager[ReadTxn]: ...
    async def point(self, level: ReadLevel, *, timeout_s: float = 5.0) -> ReadPoint: ...
    async def propose(self, command: object, *, audit: AuditStamp | None = None) -> Outcome: ...


class AccountReset:
    """Gives an account a new password and takes its second factor, on behalf of this host's owner."""

    def __init__(
        self,
        *,
        node_id: str,
        node_name: str,
        state: SharedState,
        clock: Clock,
        entropy: Entropy,
        cost: Argon2Cost = CURRENT_COST,
    ) -> None:
        self._node_id = node_id
        self._node_name = node_name
        self._state = state
        self._clock = clock
        self._entropy = entropy
        self._cost = cost

    async def reset(self, name: str) -> str:
        """Return the new password of the account of that name; all its logins are over. May be repeated.

        The password comes first: broken off in between, the account is still behind its second factor.

        Raises HostRefused, or HostUnavailable without a quorum.
        """
        began_s = self._clock.monotonic_s()
        try:
            # Without a quorum it would be an account as it was once.
            await self._state.point(ReadLevel.LINEARIZABLE)
            principal, has_factor = self._find(name)
            password = base32.encode(self._entropy(PASSWORD_BYTES)).lower()
            hashed = await asyncio.to_thread(
                hash_password, password, salt=self._entropy(SALT_BYTES), cost=self._cost
            )
            stamp = self._stamp(principal, duration_ms=int((self._clock.monotonic_s() - began_s) * 1000))
            await self._commit(SetPassword(principal_id=principal.id, password_hash=hashed), stamp)
            if has_factor:
                removal = RemoveSecondFactor(principal_id=principal.id)
                await self._commit(removal, replace(stamp, action="user.reset-second-factor"))
        except (ReadUnavailable, NotCommitted) as error:
            raise HostUnavailable(f"the cluster cannot decide: {error}") from error
        except OutcomeUnknown as error:
            raise HostUnavailable(f"it may have been done, or may still be: {error}") from error
        log.warning("account.reset", extra={"principal": principal.id, "had_second_factor": has_factor})
        return password

    def _find(self, name: str) -> tuple[Principal, bool]:
        with self._state.read() as txn:
            principal = records.principal_by_name(txn, name)
            if principal is None:
                known = sorted(each.name for each in records.PRINCIPALS.scan(txn))[:20]
                raise HostRefused(
                    f"there is no account {name!r}; there are {', '.join(known) or 'none'}", code="not-found"
                )
            if principal.provider_id:
                raise HostRefused(
                    f"{principal.name!r} logs in through {principal.provider_id}, which alone knows its "
                    "password: reset an account of this cluster",
                    code="conflict",
                )
            return principal, records.SECOND_FACTORS.get(txn, principal.id) is not None

    def _stamp(self, principal: Principal, *, duration_ms: int) -> AuditStamp:
        return AuditStamp(
            principal="",
            principal_name=f"root of {self._node_name}",
            action="user.set-password",
            resource=f"user:{principal.id}",
            is_allowed=True,
            reason=REASON,
            ip="",
            user_agent="",
            duration_ms=duration_ms,
            request_id=new_id("rq", now_ms=self._clock.now_ms(), entropy=self._entropy),
            node=self._node_id,
        )

    async def _commit(self, command: object, stamp: AuditStamp) -> None:
        outcome = await self._state.propose(command, audit=stamp)
        if isinstance(outcome, Rejected) and not (
            # Somebody else took it meanwhile, which is what was wanted.
            isinstance(command, RemoveSecondFactor) and outcome.code is Code.NOT_FOUND
        ):
            raise HostRefused(outcome.reason, code="conflict")
