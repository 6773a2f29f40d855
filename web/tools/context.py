"""What every use case is given: this node's surroundings, and the authority to act."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from aiohttp import web

from cluster.model.inventory import HostLive, HostView
from web.auth.authority import Authority
from web.auth.sessions import Sessions
from web.auth.sign_in import SignIn
from web.ports import Surroundings
from web.tools.background import Background
from web.tools.pace import Pace
from web.tools.shared_reading import SharedReading
from web.tools.shared_spans import SharedSpans


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """Made once per server. `parsing` and `analysing` let one at a time do what keeps a processor busy."""

    surroundings: Surroundings
    authority: Authority
    sessions: Sessions
    sign_in: SignIn
    views: SharedReading[Sequence[HostView]]
    live: SharedReading[Sequence[HostLive]]
    spans: SharedSpans
    pace: Pace
    background: Background
    parsing: asyncio.Semaphore
    analysing: asyncio.Semaphore


CONTEXT = web.AppKey("context", Context)
