"""The certificates the dashboard is served with: what is taken, what is shown, and who may."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa

from cluster.model.access import Role
from tests.support.api_caller import WorldCaller
from tests.support.certificate_chains import Chain, a_chain
from tests.support.identity_builders import NOW_MS
from tests.support.web_fakes import a_web_world, log_in, serving

HOST = "tower.example.com"


def a_host_chain(**fields: Any) -> Chain:
    return a_chain(HOST, now_ms=NOW_MS, **fields)


@asynccontextmanager
async def somebody(role: Role = Role.ADMIN) -> AsyncIterator[WorldCaller]:
    world = a_web_world()
    world.add_user("anna", role)
    async with serving(world) as client:
        yield WorldCaller(client, await log_in(client, "anna"), world)


async def put(caller: WorldCaller, chain: Chain, name: str = "front") -> Any:
    return await caller.must("PUT", f"/web-certificates/{name}", certificate=chain.served, key=chain.key)


async def test_a_certificate_is_kept_and_its_key_is_never_shown() -> None:
    chain = a_host_chain()
    async with somebody() as anna:
        made = await put(anna, chain)
        shown = await anna.get("/web-certificates")
        stored = anna.world.state.store.stored_range(b"", b"\xff", None, reverse=False)
        rows = b"".join(key + value for key, value in stored)
    assert (made["hosts"], made["state"]) == ([HOST], "serving")
    assert shown["items"] == [made]
    assert chain.key.splitlines()[1].encode() not in rows


@pytest.mark.parametrize(
    ("change", "field", "words"),
    [
        (lambda c: {"certificate": c.own + c.root}, "certificate", "number 2 did not sign number 1"),
        (lambda c: {"certificate": c.intermediate + c.own}, "key", "must be the host's own"),
        (lambda c: {"key": a_host_chain().key}, "key", "does not belong to the certificate"),
        (lambda _: {"certificate": "nothing"}, "certificate", "no certificate in PEM form"),
        (lambda _: {"key": "nothing"}, "key", "no private key in PEM form"),
        (lambda _: _fields(a_host_chain(days=1)), "certificate", "ended on"),
        (lambda _: _fields(a_host_chain(begins_in_days=2)), "certificate", "not valid yet"),
        (lambda _: _fields(a_chain(now_ms=NOW_MS)), "certificate", "names no host"),
        (
            lambda _: _fields(a_host_chain(key=ed25519.Ed25519PrivateKey.generate())),
            "certificate",
            "browsers do not take",
        ),
        (
            lambda _: _fields(a_host_chain(key=rsa.generate_private_key(65537, 1024))),  # noqa: S505 (what is refused)
            "certificate",
            "browsers do not take",
        ),
    ],
)
async def test_what_could_not_be_served_is_refused(change: Any, field: str, words: str) -> None:
    chain = a_host_chain()
    async with somebody() as anna:
        body = {"certificate": chain.served, "key": chain.key, **change(chain)}
        problem = await anna.refused(422, "PUT", "/web-certificates/front", **body)
    assert problem["errors"][0]["field"] == field
    assert words in problem["detail"]
    assert chain.key.splitlines()[1] not in str(problem)


def _fields(chain: Chain) -> dict[str, str]:
    return {"certificate": chain.served, "key": chain.key}


@pytest.mark.parametrize(("days", "state"), [(90, "serving"), (16, "serving"), (14, "soon")])
async def test_one_that_ends_soon_is_said_to(days: int, state: str) -> None:
    async with somebody() as anna:
        # It began yesterday.
        made = await put(anna, a_host_chain(days=days))
    assert made["state"] == state


async def test_the_one_that_ends_last_is_served_for_a_name() -> None:
    async with somebody() as anna:
        await put(anna, a_host_chain(days=30), "old")
        await put(anna, a_host_chain(days=90), "new")
        states = {item["name"]: item["state"] for item in (await anna.get("/web-certificates"))["items"]}
    assert states == {"old": "shadowed", "new": "serving"}


async def test_it_is_removed_and_that_is_recorded() -> None:
    async with somebody() as anna:
        await put(anna, a_host_chain())
        await anna.must("DELETE", "/web-certificates/front")
        await anna.refused(404, "DELETE", "/web-certificates/front")
        actions = [entry.stamp.action for entry in anna.world.state.audit()]
    assert actions.count("certificate.serve-dashboard") == 1
    assert actions.count("certificate.stop-serving-dashboard") == 1


async def test_who_serves_routes_does_not_serve_the_dashboard() -> None:
    chain = a_host_chain()
    async with somebody(Role.OPERATOR) as otto:
        await otto.refused(403, "PUT", "/web-certificates/front", certificate=chain.served, key=chain.key)
        await otto.refused(403, "DELETE", "/web-certificates/front")
        assert (await otto.get("/web-certificates"))["items"] == []
