"""What every use case is given: this node's surroundings, and the authority to act."""

from __future__ import annotations

from dataclasses import dataclass

from aiohttp import web

from web.auth.authority import Authority
from web.auth.sessions import Sessions
from web.ports import Surroundings
from web.tools.live_numbers import LiveNumbers
from web.tools.pace import Pace


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """Made once per server."""

    surroundings: Surroundings
    authority: Authority
    sessions: Sessions
    live: LiveNumbers
    pace: Pace


CONTEXT = web.AppKey("context", Context)
