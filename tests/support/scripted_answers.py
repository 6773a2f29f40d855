"""Answers that a test writes beforehand, and people who ask for them over the interface."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import ClientResponse, web
from aiohttp.test_utils import TestClient

from cluster.commands.assistant import KeepExchange
from cluster.model.access import Role
from tests.support.web_fakes import WebWorld, a_web_world, log_in, serving
from web.assistant.answering import Answerer, Part, Question
from web.assistant.choosing import Standing
from web.assistant.views import NoModel
from web.auth.call import Call
from web.tools.context import Context
from web.tools.pace import Pace

QUICK = Pace(answer_look_s=0.01)


@dataclass(slots=True)
class Scripted:
    """Answers with `parts`: an Event among them is waited for, a number is tokens that were used, an error is
    raised, and a call is made with what it is given."""

    parts: list[Any] = field(default_factory=list)
    name: str = "claude-test"
    questions: list[Question] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)
    began: asyncio.Event = field(default_factory=asyncio.Event)
    closed: asyncio.Event = field(default_factory=asyncio.Event)

    async def answer(self, context: Context, call: Call, question: Question) -> AsyncGenerator[Part, None]:
        self.questions.append(question)
        self.calls.append(call)
        self.began.set()
        try:
            for part in self.parts:
                match part:
                    case asyncio.Event():
                        await part.wait()
                    case int():
                        question.meter.tokens = part
                    case Exception():
                        raise part
                    case _ if callable(part):
                        yield await part(context, call)
                    case _:
                        yield part
        finally:
            self.closed.set()


@dataclass(slots=True)
class Asker:
    """One who is logged in and asks."""

    client: TestClient[web.Request, web.Application]
    headers: dict[str, str]

    async def request(self, method: str, path: str, body: object = None) -> tuple[int, Any]:
        response = await self.client.request(
            method, f"/api/v1/assistant{path}", json=body, headers=self.headers
        )
        text = await response.text()
        return response.status, json.loads(text) if text else None

    async def get(self, path: str = "") -> Any:
        status, answer = await self.request("GET", path)
        assert status == 200, answer
        return answer

    async def open(self, text: str, conversation: str = "", **body: Any) -> ClientResponse:
        """Ask, and return the answer as it begins."""
        path = f"/conversations/{conversation}/exchanges" if conversation else "/conversations"
        return await self.client.post(
            f"/api/v1/assistant{path}", json={"text": text, **body}, headers=self.headers
        )

    async def ask(self, text: str, conversation: str = "", **body: Any) -> list[dict[str, Any]]:
        """Ask, and return the events of the whole answer."""
        response = await self.open(text, conversation, **body)
        assert response.status == 200, await response.text()
        return events_in(await response.text())


def events_in(text: str) -> list[dict[str, Any]]:
    """Return the events of a stream that has ended; comments are left out."""
    blocks = [block for block in text.split("\n\n") if block]
    return [json.loads(block.removeprefix("data: ")) for block in blocks if not block.startswith(":")]


async def next_event(response: ClientResponse) -> dict[str, Any]:
    """Return the next event of a stream that goes on."""
    while True:
        block = (await response.content.readuntil(b"\n\n")).decode()
        if block.startswith("data: "):
            event: dict[str, Any] = json.loads(block.removeprefix("data: "))
            return event


@dataclass(slots=True)
class Desk:
    """A served world, whoever answers in it, and who asks."""

    world: WebWorld
    client: TestClient[web.Request, web.Application]
    ann: Asker
    eve: Asker
    scripted: Scripted

    def kept(self) -> list[KeepExchange]:
        return [each for each in self.world.state.proposed if isinstance(each, KeepExchange)]

    async def until_kept(self, count: int = 1) -> None:
        while len(self.kept()) < count:
            await self.world.state.until_proposed(KeepExchange)
            await asyncio.sleep(0)


@asynccontextmanager
async def a_desk(
    *parts: Any,
    world: WebWorld | None = None,
    no_model: NoModel | None = None,
    pace: Pace = QUICK,
    role: Role = Role.OPERATOR,
) -> AsyncIterator[Desk]:
    """Serve a world in which the scripted parts are the answer to every question."""
    world = world or a_web_world()
    scripted = Scripted(list(parts))

    async def choose(context: Context, standing: Standing) -> tuple[Answerer, NoModel | None]:
        return scripted, no_model

    for name, each in (("ann", role), ("eve", Role.ADMIN)):
        world.add_user(name, each)
    async with serving(world, pace=pace, choose_answerer=choose) as client:
        yield Desk(
            world=world,
            client=client,
            ann=Asker(client, await log_in(client, "ann")),
            eve=Asker(client, await log_in(client, "eve")),
            scripted=scripted,
        )
