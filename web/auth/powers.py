"""All that one caller may: the rules of the account, and for an API token those of the token as well.

Both have to allow. So a token never widens what its owner may, whatever it is bound to, and a change of
either holds with the next request.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from functools import cached_property

from cluster.model.access import ApiToken, Role
from cluster.model.permissions import Binding, CustomRole, Holder, HolderKind
from cluster.rbac import ACTIONS, Decision, Grants, Target, grants_of
from cluster.rbac.planning import ASKING
from cluster.rbac.targets import covers
from cluster.store import ReadTxn, records
from web.auth.call import Identity


@dataclass(frozen=True, slots=True, kw_only=True)
class Powers:
    """What somebody may at one moment. Equal powers give equal answers at that moment.

    `parts` all have to allow; none is nobody known. `scopes` are the actions an API token is for, empty: all;
    one that `is_read_only` changes nothing. `issuer` is the identity provider whose token says who it is, ""
    for none.
    """

    parts: tuple[Grants, ...]
    scopes: frozenset[str]
    token_prefix: str | None
    now_ms: int
    is_read_only: bool = False
    issuer: str = ""

    def decide(self, action: str, target: Target) -> Decision:
        """Return whether `action` may be done to `target`."""
        return self._told(action, [part.decide(action, target, self.now_ms) for part in self.parts])

    def could(self, action: str) -> Decision:
        """Return whether `action` may be done to anything at all."""
        return self._told(action, [part.could(action, self.now_ms) for part in self.parts])

    @property
    def key(self) -> Hashable:
        """What tells powers apart: equal ones give equal answers at their moments."""
        return (
            self.scopes,
            self.is_read_only,
            tuple((part.key, part.in_force(self.now_ms)) for part in self.parts),
        )

    def is_unlimited(self, action: str) -> bool:
        """Whether `action` may be done to everything of its kind."""
        return (
            bool(self.parts)
            and (not self.scopes or action in self.scopes)
            and not (self.is_read_only and _changes_state(action))
            and all(part.is_unlimited(action, self.now_ms) for part in self.parts)
        )

    def signature(self, target: Target) -> Hashable:
        """Return what tells things of a kind apart: of equal ones all answers are equal at this moment."""
        return tuple(covers(scope, target) for part in self.parts for scope in part.scopes)

    def has_scopes(self, action: str) -> bool:
        """Whether it matters what `action` is done to."""
        return any(part.has_scopes(action) for part in self.parts)

    @property
    def label_keys(self) -> frozenset[str]:
        """The labels that decide something of what they may."""
        return frozenset[str]().union(*(part.label_keys for part in self.parts))

    def lacks(self, role: Role) -> str | None:
        """Return an action of a role that is not held everywhere and always, or None."""
        return next((action for part in self.parts if (action := part.lacks(role))), None)

    def lacks_of(
        self, binding: Binding, roles: Sequence[CustomRole], *, undenied: bool = False
    ) -> str | None:
        """Return an action that a binding gives and that is not held to its whole extent, or None.

        `undenied`: one that it denies, which taking it away would give.
        """
        by_name = {role.name: role for role in roles}
        for part in self.parts:
            action = (part.lacks_undenied if undenied else part.lacks_of)(binding, by_name)
            if action is not None:
                return action
        return None

    def _told(self, action: str, decisions: list[Decision]) -> Decision:
        if not decisions:
            return Decision(False, f"{action}: log in, or send a token")
        decision = next((each for each in decisions if not each.allowed), decisions[0])
        if decision.allowed and self.scopes and action not in self.scopes | ASKING:
            scopes = ", ".join(sorted(self.scopes))
            return Decision(False, f"API token {self.token_prefix} is for {scopes}, not for {action}")
        if decision.allowed and self.is_read_only and _changes_state(action):
            return Decision(
                False, f"API token {self.token_prefix} only reads, and {action} changes something"
            )
        if self.issuer:
            return Decision(decision.allowed, f"{decision.reason}; token of {self.issuer}", decision.rule)
        if self.token_prefix is None:
            return decision
        # A token may hold less than its owner, who is the one that is named.
        reason = f"{decision.reason}; API token {self.token_prefix}"
        return Decision(decision.allowed, reason, decision.rule)


@dataclass(frozen=True)
class ActionSight:
    """To what of a list the caller may do one action."""

    powers: Powers
    action: str

    @cached_property
    def is_everything(self) -> bool:
        """Whether nothing is left out."""
        return self.powers.is_unlimited(self.action)

    def sees(self, target: Target) -> bool:
        """Whether this one is among them."""
        return self.is_everything or self.powers.decide(self.action, target).allowed


def powers_of(txn: ReadTxn, identity: Identity | None, *, now_ms: int) -> Powers:
    """Return what a caller may, by the records as they are now; None: nobody is known."""
    if identity is None:
        return Powers(parts=(), scopes=frozenset(), token_prefix=None, now_ms=now_ms)
    if identity.token_prefix is not None:
        token = records.API_TOKENS.get(txn, identity.token_prefix)
        if token is not None:
            return owner_and_token(txn, token, now_ms=now_ms)
    account = account_grants(txn, identity.principal_id, identity.role)
    return Powers(
        parts=(account,),
        scopes=identity.scopes,
        token_prefix=identity.token_prefix,
        now_ms=now_ms,
        issuer=identity.issuer,
    )


def owner_and_token(txn: ReadTxn, token: ApiToken, *, now_ms: int) -> Powers:
    """Return what an API token may: no more than its owner."""
    owner = records.PRINCIPALS.get(txn, token.principal_id)
    role = Role.NONE if owner is None else owner.role
    return Powers(
        parts=(
            _grants(txn, token.role, Holder(kind=HolderKind.TOKEN, id=token.prefix)),
            account_grants(txn, token.principal_id, role),
        ),
        scopes=token.scopes,
        token_prefix=token.prefix,
        now_ms=now_ms,
        is_read_only=token.is_read_only,
    )


def _changes_state(action: str) -> bool:
    known = ACTIONS.get(action)
    return known is None or known.changes_state


def account_grants(txn: ReadTxn, principal_id: str, role: Role) -> Grants:
    """Return what an account may."""
    return _grants(txn, role, Holder(kind=HolderKind.USER, id=principal_id))


def _grants(txn: ReadTxn, role: Role, holder: Holder) -> Grants:
    bindings = tuple(records.BINDINGS.scan(txn, str(holder)))
    if not bindings:
        return grants_of(role, (), ())
    names = dict.fromkeys(binding.role for binding in bindings)
    found = (records.CUSTOM_ROLES.get(txn, name) for name in names)
    return grants_of(role, bindings, tuple(each for each in found if each is not None))
