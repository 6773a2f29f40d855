"""What one principal may, from its role and bindings. Pure; the moment is a parameter.

Semantics are Cedar's: nothing is allowed that no rule allows, one rule that denies wins over all that allow,
and the order of rules means nothing. What cannot be told, because an attribute or a time zone is not known,
fails closed both ways: such a rule does not allow, and it does deny.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from itertools import chain

from cluster.model.access import Role
from cluster.model.permissions import (
    EVERYTHING,
    AccessScope,
    Binding,
    CustomRole,
    Hours,
    PermissionEffect,
)
from cluster.rbac.actions import ACTIONS, Action, Resource
from cluster.rbac.hours import is_within
from cluster.rbac.policy import Decision
from cluster.rbac.targets import Target, covers, within

SCOPED_KINDS = frozenset(
    {
        Resource.CONTAINER,
        Resource.SERVICE,
        Resource.ROLLOUT,
        Resource.IMAGE,
        Resource.VOLUME,
        Resource.NETWORK,
        Resource.METRICS,
        Resource.ALERT,
        Resource.EVENT,
        Resource.NODE,
        Resource.PLAN,
    }
)
"""Kinds of things that a scope can mean."""
ESCAPES = frozenset(
    {
        # Whoever has the host has everything on it; what runs already is what somebody else began.
        "service.deploy-host-access",
        "service.adopt",
        "container.recreate",
        # What a host keeps is everybody's who may come to need it.
        "image.pull",
        "image.remove",
        "volume.remove",
        "network.remove",
        "metrics.import",
        "node.join",
        "node.set-role",
    }
)
"""What reaches beyond any scope: no binding to a part of the cluster gives it."""
_BUILT_IN = frozenset(role.value for role in Role)


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule for one action. `id` says where it is from: `role:operator`, `binding:bd_1#0`."""

    id: str
    scopes: tuple[AccessScope, ...] = ()
    hours: tuple[tuple[Hours, ...], ...] = ()

    @property
    def is_unconditional(self) -> bool:
        """Whether it holds for everything, always."""
        return not self.scopes and not self.hours

    def holds(self, target: Target, at_ms: int) -> bool | None:
        """Whether it is about the target now; None when that cannot be told."""
        is_known = True
        for scope in self.scopes:
            met = covers(scope, target)
            if met is False:
                return False
            is_known = is_known and met is not None
        timely = self.holds_at(at_ms)
        if timely is False:
            return False
        return True if is_known and timely else None

    def holds_at(self, at_ms: int) -> bool | None:
        """Whether it is in force now, whatever the target; None when that cannot be told."""
        is_known = True
        for hours in self.hours:
            met = is_within(hours, at_ms)
            if met is False:
                return False
            is_known = is_known and met is not None
        return True if is_known else None

    def __str__(self) -> str:
        where = " and ".join(str(scope) for scope in self.scopes)
        return f"{self.id} on {where}" if where else self.id


@dataclass(frozen=True, slots=True)
class Grants:
    """The rules of one principal, by action."""

    title: str
    """What the principal is called in reasons: its role."""
    allows: Mapping[str, tuple[Rule, ...]]
    denies: Mapping[str, tuple[Rule, ...]]
    key: Hashable = None
    """Grants of equal keys are the same."""
    timed: tuple[Rule, ...] = ()
    """The rules that do not hold at all times."""
    label_keys: frozenset[str] = frozenset()
    """The labels that decide something: whoever changed them would choose what they may."""
    scopes: tuple[AccessScope, ...] = ()
    """All that rules are about: things that the same of these mean are not told apart."""

    def in_force(self, at_ms: int) -> tuple[bool | None, ...]:
        """Which of the timed rules hold at a moment: while that stays the same, so do all answers."""
        return tuple(rule.holds_at(at_ms) for rule in self.timed)

    def decide(self, action: str, target: Target, at_ms: int) -> Decision:
        """Whether `action` may be done to `target`. Total: whatever is not known is denied."""
        known = ACTIONS.get(action)
        if known is None:
            return Decision(False, f"{action}: no such action")
        if target.kind != known.resource:
            return Decision(False, f"{action} is done to a {known.resource}, not to {str(target)!r}")
        for rule in self.denies.get(action, ()):
            if rule.holds(target, at_ms) is not False:
                return Decision(False, f"{rule} denies {action}", rule.id)
        allows = self.allows.get(action, ())
        for rule in allows:
            if rule.holds(target, at_ms):
                return Decision(True, f"{_said(rule)} {action}", rule.id)
        return Decision(False, self._why_not(known, allows, at_ms))

    def could(self, action: str, at_ms: int) -> Decision:
        """Whether `action` may be done to anything at all, for what is asked before the thing is known."""
        known = ACTIONS.get(action)
        if known is None:
            return Decision(False, f"{action}: no such action")
        for rule in self.denies.get(action, ()):
            if not rule.scopes and rule.holds_at(at_ms) is not False:
                return Decision(False, f"{rule} denies {action}", rule.id)
        allows = self.allows.get(action, ())
        for rule in allows:
            if rule.holds_at(at_ms):
                return Decision(True, f"{_said(rule)} {action}", rule.id)
        return Decision(False, self._why_not(known, allows, at_ms))

    def is_unlimited(self, action: str, at_ms: int) -> bool:
        """Whether `action` may be done to everything of its kind."""
        return not self.denies.get(action) and any(
            not rule.scopes and rule.holds_at(at_ms) for rule in self.allows.get(action, ())
        )

    def has_scopes(self, action: str) -> bool:
        """Whether the answer depends on what it is done to."""
        rules = chain(self.allows.get(action, ()), self.denies.get(action, ()))
        return any(rule.scopes for rule in rules)

    def lacks(self, role: Role) -> str | None:
        """The first action of a built-in role that is not held everywhere and always; None: all are."""
        for action in built_in(role).allows:
            if not self._holds_all(action, EVERYTHING):
                return action
        return None

    def lacks_of(self, binding: Binding, roles: Mapping[str, CustomRole]) -> str | None:
        """The first action that a binding would give and that is not held to its whole extent, or None."""
        given = grants_of(Role.NONE, (binding,), tuple(roles.values()))
        for action, rules in given.allows.items():
            if ACTIONS[action].role is Role.NONE:
                continue
            for rule in rules:
                if not any(self._holds_all(action, scope) for scope in rule.scopes or (EVERYTHING,)):
                    return action
        return None

    def lacks_undenied(self, binding: Binding, roles: Mapping[str, CustomRole]) -> str | None:
        """The first action a binding denies that is not held where it is denied; None: all are.

        Taking away what denies gives as much as allowing would.
        """
        given = grants_of(Role.NONE, (binding,), tuple(roles.values()))
        for action, rules in given.denies.items():
            for rule in rules:
                if not any(self._holds_all(action, scope) for scope in rule.scopes or (EVERYTHING,)):
                    return action
        return None

    def _holds_all(self, action: str, scope: AccessScope) -> bool:
        if self.denies.get(action):
            return False
        return any(
            not rule.hours and all(within(scope, bound) for bound in rule.scopes)
            for rule in self.allows.get(action, ())
        )

    def _why_not(self, action: Action, allows: Sequence[Rule], at_ms: int) -> str:
        if not allows:
            return f"{action.name} needs role {action.role}; yours is {self.title}"
        if not any(rule.holds_at(at_ms) for rule in allows):
            return f"{action.name} is not allowed at this time by {allows[0]}"
        listed = "; ".join(str(rule) for rule in allows[:3])
        return f"{action.name} is allowed only by {listed}"


@dataclass(frozen=True, slots=True)
class _Part:
    """One permission of a bound role."""

    effect: PermissionEffect
    actions: tuple[Action, ...]
    scope: AccessScope
    hours: tuple[Hours, ...]


def _said(rule: Rule) -> str:
    if rule.id.startswith("role:"):
        return f"role {rule.id.removeprefix('role:')} includes"
    return f"{rule} allows"


@cache
def built_in(role: Role) -> Grants:
    """Return what a role of the whole cluster gives."""
    rule = (Rule(f"role:{role}"),)
    allows = {action.name: rule for action in ACTIONS.values() if role.includes(action.role)}
    return Grants(role.value, allows, {}, key=role)


def permissions_of_built_in(role: Role) -> tuple[str, ...]:
    """Return the actions of a role, by name."""
    return tuple(sorted(built_in(role).allows))


@lru_cache(maxsize=512)
def grants_of(role: Role, bindings: tuple[Binding, ...], roles: tuple[CustomRole, ...]) -> Grants:
    """Return what a principal of `role` may with its `bindings`; `roles` are all that are named by them.

    A binding to a role that is not there gives nothing. One to part of the cluster gives what is about things
    that a scope can mean, and besides that the cluster is there (`cluster.read`) and its hosts (`node.read`).
    """
    if not bindings:
        return built_in(role)
    allows: dict[str, list[Rule]] = {name: list(rules) for name, rules in built_in(role).allows.items()}
    denies: dict[str, list[Rule]] = {}
    every: list[Rule] = []
    by_name = {each.name: each for each in roles}
    for binding in bindings:
        for index, part in enumerate(_parts(binding, by_name)):
            rule = Rule(
                f"binding:{binding.id}#{index}",
                tuple(scope for scope in (binding.scope, part.scope) if not scope.is_everything),
                tuple(hours for hours in (binding.hours, part.hours) if hours),
            )
            every.append(rule)
            if part.effect is PermissionEffect.DENY:
                for action in part.actions:
                    denies.setdefault(action.name, []).append(rule)
            else:
                for name, given in _given(part, rule):
                    allows.setdefault(name, []).append(given)
    scopes = [scope for rule in every for scope in rule.scopes]
    return Grants(
        role.value,
        {name: tuple(rules) for name, rules in allows.items()},
        {name: tuple(rules) for name, rules in denies.items()},
        key=(role, bindings, roles),
        timed=tuple(dict.fromkeys(rule for rule in every if rule.hours)),
        label_keys=frozenset(
            label.partition("=")[0]
            for scope in scopes
            for label in (*(scope.labels or ()), *(scope.without_labels or ()))
        ),
        scopes=tuple(dict.fromkeys(scopes)),
    )


def matching(patterns: Iterable[str]) -> tuple[Action, ...]:
    """Return the actions that any of the patterns means."""
    return tuple(
        action for action in ACTIONS.values() if any(_means(pattern, action.name) for pattern in patterns)
    )


def _means(pattern: str, action: str) -> bool:
    if pattern in ("*", action):
        return True
    kind, _, verb = action.partition(".")
    return pattern in (f"{kind}.*", f"*.{verb}")


def _parts(binding: Binding, roles: Mapping[str, CustomRole]) -> Iterable[_Part]:
    if binding.role in _BUILT_IN:
        actions = tuple(ACTIONS[name] for name in built_in(Role(binding.role)).allows)
        yield _Part(PermissionEffect.ALLOW, actions, EVERYTHING, ())
        return
    role = roles.get(binding.role)
    for each in () if role is None else role.permissions:
        yield _Part(each.effect, matching(each.actions), each.scope, each.hours)


def _given(part: _Part, rule: Rule) -> Iterable[tuple[str, Rule]]:
    of_hosts = replace(rule, scopes=tuple(scope for scope in rule.scopes if scope.nodes is not None))
    of_all = replace(rule, scopes=())
    for action in part.actions:
        if not rule.scopes or (action.resource in SCOPED_KINDS - {Resource.NODE}):
            if not (rule.scopes and action.name in ESCAPES):
                yield action.name, rule
        elif action.name == "cluster.read":
            yield action.name, of_all
        elif action.name == "node.read":
            yield action.name, of_hosts
        elif action.resource is Resource.NODE and of_hosts.scopes and action.name not in ESCAPES:
            yield action.name, rule
