"""One request, however it came: who makes it, from where, and since when."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from cluster.model.access import Role
from cluster.model.ids import LoginId, PrincipalId, TokenPrefix
from cluster.model.inventory import Caller
from web.auth.problems import Problem
from web.auth.tool_bounds import EVERY_TOOL, ToolBounds

USER_AGENT_CHARACTERS_MAX = 512
_NOT_PRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")


class Credential(StrEnum):
    """What somebody proved their identity with."""

    COOKIE = "cookie"
    ACCESS_TOKEN = "access-token"  # noqa: S105 (a kind of credential)
    API_TOKEN = "api-token"  # noqa: S105 (a kind of credential)
    PROVIDER_TOKEN = "provider-token"  # noqa: S105 (a kind of credential)


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """An account as it was proven, and what holds for this proof.

    `role` is the least of the account's and the token's. `scopes` empty: all the role may. `session_id` is
    there for logins, `token_prefix` for API tokens, `issuer` for access tokens of an identity provider;
    `tools` are those an API token is for.
    """

    principal_id: PrincipalId
    name: str
    role: Role
    credential: Credential
    epoch: int
    session_id: LoginId | None = None
    token_prefix: TokenPrefix | None = None
    scopes: frozenset[str] = frozenset()
    tools: ToolBounds = EVERY_TOOL
    issuer: str = ""

    @property
    def is_program(self) -> bool:
        """Whether a program asks with a token that somebody gave it, and nobody is logged in here."""
        return self.credential in (Credential.API_TOKEN, Credential.PROVIDER_TOKEN)


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request. `started_s` is the monotonic clock when it came; `via` the surface it came through.

    `approved_by` is the person who was logged in and let a program's request through as a plan, "" for none.
    `tools` are those that its address asks for.
    """

    identity: Identity | None
    request_id: str
    ip: str
    user_agent: str
    started_s: float
    via: str = "rest"
    approved_by: str = ""
    tools: ToolBounds = EVERY_TOOL

    @property
    def tool_bounds(self) -> ToolBounds | None:
        """The tools there are for this request, by its address and its token; None: no tool at all."""
        return self.tools if self.identity is None else self.tools.within(self.identity.tools)

    def known(self) -> Identity:
        """Return who is asking. Raises Problem when nobody is known."""
        if self.identity is None:
            raise Problem("not-authenticated", "this needs a login", hint="log in, or send a token")
        return self.identity

    def on_behalf(self) -> Caller:
        """Return what a host is told of who asks."""
        identity = self.known()
        return Caller(
            principal_id=identity.principal_id,
            name=identity.name,
            role=identity.role.value,
            request_id=self.request_id,
            ip=self.ip,
        )


def printable(text: str, characters_max: int) -> str:
    """Return text of a stranger with what the records do not take replaced, cut to length."""
    return _NOT_PRINTABLE.sub("?", text[:characters_max])
