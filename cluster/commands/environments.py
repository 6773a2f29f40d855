"""Commands on environments."""

from __future__ import annotations

from dataclasses import dataclass

from cluster.model.environments import Environment, check_environment


@dataclass(frozen=True, slots=True, kw_only=True)
class PutEnvironment:
    """Make an environment, or change it as a whole. When and by whom is taken from the entry and
    `changed_by`.

    Rejected when what it requires is not there, or would require it in turn.
    """

    environment: Environment


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveEnvironment:
    """Forget an environment. Rejected with IN_USE while a service is in it, or another requires it."""

    name: str

    def __post_init__(self) -> None:
        check_environment("name", self.name)
