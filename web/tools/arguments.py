"""What the arguments of every tool have in common."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, StringConstraints

Short = Annotated[str, StringConstraints(max_length=256)]
Named = Annotated[str, StringConstraints(min_length=1, max_length=256)]
Cursor = Annotated[str, StringConstraints(max_length=2048)] | None
"""`next_cursor` of the answer before."""


class Arguments(BaseModel):
    """Arguments of a tool: unknown ones are refused."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False, defer_build=True)
