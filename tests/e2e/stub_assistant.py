"""The assistant of the stand-in: tests tell it the parts of an answer one by one."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from aiohttp import web

Json = dict[str, Any]

DAY_MS = 86_400_000


class StubAssistant:
    """Answers with what it is told. Only the server's thread touches it."""

    def __init__(self, now_ms: int) -> None:
        self.now_ms = now_ms
        self.standing: Json = {
            "answerer": "claude-sonnet-5-5",
            "model": "claude-sonnet-5-5",
            "no_model": None,
            "hint": "",
            "tokens_per_day": 200_000,
            "tokens_used": 12_400,
            "tokens_left": 187_600,
            "day_ends_ms": now_ms + DAY_MS // 2,
            "is_answering": False,
        }
        self.conversations: list[Json] = []
        self.exchanges: dict[str, list[Json]] = {}
        self.asked: list[Json] = []
        self.refusal: Json | None = None
        self.closed = 0
        """How many answers were ended by their reader."""
        self._parts: asyncio.Queue[Json | None] = asyncio.Queue()

    def tell(self, *parts: Json | None) -> None:
        """Send parts to whoever listens, or to the next who asks. None breaks the connection."""
        for part in parts:
            self._parts.put_nowait(part)

    def keep(self, title: str, *exchanges: tuple[str, list[Json]]) -> str:
        """Keep a conversation as if it had been held before."""
        number = f"cv-{len(self.exchanges) + 1}"
        self.exchanges[number] = []
        self.conversations.insert(
            0,
            {
                "id": number,
                "title": title,
                "exchanges": 0,
                "begun_at_ms": self.now_ms,
                "changed_at_ms": self.now_ms,
                "forgotten_at_ms": self.now_ms + 30 * DAY_MS,
            },
        )
        for question, parts in exchanges:
            self._add(number, question, parts)
        return number

    def add_routes(self, router: web.UrlDispatcher, api: str) -> None:
        router.add_get(f"{api}/assistant", self._standing)
        router.add_get(f"{api}/assistant/conversations", self._list)
        router.add_post(f"{api}/assistant/conversations", self._answer)
        router.add_get(f"{api}/assistant/conversations/{{id}}", self._read)
        router.add_delete(f"{api}/assistant/conversations/{{id}}", self._forget)
        router.add_post(f"{api}/assistant/conversations/{{id}}/exchanges", self._answer)

    async def _standing(self, _: web.Request) -> web.Response:
        return web.json_response(self.standing)

    async def _list(self, _: web.Request) -> web.Response:
        return web.json_response({"items": self.conversations, "next_cursor": None})

    async def _read(self, request: web.Request) -> web.Response:
        number = request.match_info["id"]
        found = [each for each in self.conversations if each["id"] == number]
        if not found:
            return _problem(a_problem(404, "not-found", "Not found", number))
        return web.json_response({"conversation": found[0], "exchanges": self.exchanges[number]})

    async def _forget(self, request: web.Request) -> web.Response:
        number = request.match_info["id"]
        self.conversations = [each for each in self.conversations if each["id"] != number]
        self.exchanges.pop(number, None)
        return web.Response(status=204)

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        asked = await request.json()
        self.asked.append(asked)
        if self.refusal is not None:
            refusal, self.refusal = self.refusal, None
            return _problem(refusal)
        number = request.match_info.get("id") or self.keep(asked["text"])
        exchange = self._add(number, asked["text"], [])
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        answerer = self.standing["answerer"]
        began = {
            "kind": "began",
            "conversation": number,
            "number": exchange["number"],
            "answerer": answerer,
            "no_model": None,
        }
        await _send(response, began)
        try:
            while (part := await self._parts.get()) is not None:
                exchange["parts"].append(part)
                await _send(response, part)
                if part["kind"] == "ended":
                    return response
        except (asyncio.CancelledError, ConnectionError):
            self.closed += 1
            raise
        assert request.transport is not None, "somebody listens"
        request.transport.abort()
        return response

    def _add(self, number: str, question: str, parts: list[Json]) -> Json:
        exchanges = self.exchanges[number]
        exchange = {
            "number": len(exchanges) + 1,
            "asked_at_ms": self.now_ms,
            "question": question,
            "language": "en",
            "looking_at": "/",
            "answerer": self.standing["answerer"],
            "parts": parts,
            "is_shortened": False,
        }
        exchanges.append(exchange)
        (found,) = (each for each in self.conversations if each["id"] == number)
        found["exchanges"] = len(exchanges)
        return exchange


async def _send(response: web.StreamResponse, event: Json) -> None:
    await response.write(b"data: " + json.dumps(event).encode() + b"\n\n")


def _problem(body: Json) -> web.Response:
    return web.json_response(body, status=body["status"], content_type="application/problem+json")


def a_problem(status: int, kind: str, title: str, detail: str, **more: str) -> Json:
    """Return a refusal as the product writes it."""
    return {"type": f"urn:tower:problem:{kind}", "title": title, "status": status, "detail": detail, **more}


def said(text: str) -> Json:
    return {"kind": "said", "text": text}


def called(id: str, title: str, tool: str, **arguments: object) -> Json:
    return {"kind": "tool-called", "id": id, "tool": tool, "title": title, "arguments": arguments}


def answered(
    id: str,
    text: str,
    *references: tuple[int, str, str],
    is_error: bool = False,
    plan_id: str | None = None,
) -> Json:
    return {
        "kind": "tool-answered",
        "id": id,
        "text": text,
        "is_error": is_error,
        "plan_id": plan_id,
        "references": [
            {"number": number, "label": label, "path": path} for number, label, path in references
        ],
    }


def suggested(*questions: str) -> Json:
    return {"kind": "suggested", "questions": list(questions)}


def ended(how: str = "answered", reason: str = "") -> Json:
    return {"kind": "ended", "how": how, "reason": reason, "tokens": 1_200}
