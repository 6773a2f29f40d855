"""An answer of the assistant as server-sent events."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from web.api.endpoint import Ask

EVENT_STREAM = "text/event-stream"


async def stream_answer(ask: Ask[Any, Any], answering: Any) -> web.StreamResponse:
    raise NotImplementedError
