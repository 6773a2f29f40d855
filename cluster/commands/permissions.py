"""Commands on roles that people make, and on what binds roles to accounts and tokens."""

from __future__ import annotations

from dataclasses import dataclass

from cluster.model import rules
from cluster.model.permissions import Binding, CustomRole, Holder


@dataclass(frozen=True, slots=True, kw_only=True)
class PutCustomRole:
    """Make a role, or change it as a whole. When is taken from the entry.

    Rejected when no administrator would be left whom nothing is denied.
    """

    role: CustomRole


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveCustomRole:
    """Forget a role. Rejected with IN_USE while it is bound."""

    name: str

    def __post_init__(self) -> None:
        rules.check_name("role", self.name)


@dataclass(frozen=True, slots=True, kw_only=True)
class PutBinding:
    """Bind a role to a holder, or change the binding of that holder and id. When is taken from the entry.

    Rejected with NOT_FOUND when the holder or the role is not there, with IN_USE when no administrator
    would be left whom nothing is denied.
    """

    binding: Binding


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveBinding:
    """Forget a binding."""

    holder: Holder
    binding_id: str

    def __post_init__(self) -> None:
        rules.check_id("binding id", self.binding_id)
