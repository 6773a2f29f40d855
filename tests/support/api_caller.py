"""Somebody who is logged in, and asks the interface."""

from __future__ import annotations

import json
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestClient

from tests.support.web_fakes import WebWorld


class ApiCaller:
    """Requests with the headers of one login or token; tests add the words of what they are about."""

    def __init__(self, client: TestClient[web.Request, web.Application], headers: dict[str, str]) -> None:
        self.client = client
        self.headers = headers

    async def ask(self, method: str, path: str, **options: Any) -> tuple[int, Any]:
        """Return status and JSON of the answer, None without content; `options` are the client's."""
        headers = {**self.headers, **options.pop("headers", {})}
        response = await self.client.request(method, f"/api/v1{path}", headers=headers, **options)
        text = await response.text()
        return response.status, json.loads(text) if text else None

    async def get(self, path: str, **query: str) -> Any:
        status, answer = await self.ask("GET", path, params=query)
        assert status == 200, answer
        return answer


class WorldCaller(ApiCaller):
    """One who says requests by their fields, and whose tests look into the world that is served."""

    def __init__(
        self, client: TestClient[web.Request, web.Application], headers: dict[str, str], world: WebWorld
    ) -> None:
        super().__init__(client, headers)
        self.world = world

    async def send(self, method: str, path: str, **body: Any) -> tuple[int, Any]:
        """Ask with these fields as the body, where a request of this method has one."""
        return await self.ask(method, path, **({"json": body} if method in ("POST", "PUT") else {}))

    async def must(self, method: str, path: str, **body: Any) -> Any:
        """Ask for something that is done; returns the answer."""
        status, answer = await self.send(method, path, **body)
        assert status < 300, answer
        return answer

    async def refused(self, status: int, method: str, path: str, **body: Any) -> Any:
        """Ask for something that is refused; returns the problem."""
        found, problem = await self.send(method, path, **body)
        assert found == status, problem
        return problem
