"""Every command there is, by number. Append only: numbers, names and fields are in logs and backups for good.

A number below 1000 is essential: a node that does not know it stops, because skipping would make it differ
from the others. From 1000 on it is ignorable: such a node skips it. The number itself says which, since a
node that does not know a command has nothing else to go by. What an ignorable command writes is left out of
the state hash, and no essential command may read it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from cluster.commands import settings
from cluster.encoding import Codec, codec

IGNORABLE_FROM = 1000


@dataclass(frozen=True, slots=True)
class CommandKind:
    """One kind of command. `version` rises when fields are appended (with defaults)."""

    number: int
    name: str
    cls: type[Any]
    version: int = 1
    codec: Codec[Any] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "codec", codec(self.cls))

    @property
    def is_ignorable(self) -> bool:
        return self.number >= IGNORABLE_FROM


KINDS: tuple[CommandKind, ...] = (CommandKind(20, "put-setting", settings.PutSetting),)

BY_NUMBER: dict[int, CommandKind] = {kind.number: kind for kind in KINDS}
BY_CLASS: dict[type[Any], CommandKind] = {kind.cls: kind for kind in KINDS}
assert len(BY_NUMBER) == len(BY_CLASS) == len(KINDS) == len({kind.name for kind in KINDS})
