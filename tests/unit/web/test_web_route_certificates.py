"""Certificates for HTTPS: a key goes in and never comes out."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from cluster.identity.route_certificates import CertificateUnusable, read_certificate
from cluster.identity.stored_secrets import open_certificate_key
from cluster.model.access import Role
from cluster.store import records
from tests.support.identity_builders import NOW_MS
from tests.support.server_certificates import self_signed
from tests.support.web_fakes import WebWorld, a_web_world, log_in, serving

YEAR_MS = 365 * 86_400_000


def a_pair(host: str = "shop.example") -> tuple[str, str]:
    """Certificate and key."""
    pem = self_signed(host)
    cut = pem.index("-----BEGIN PRIVATE KEY-----")
    return pem[:cut], pem[cut:]


class Asking:
    def __init__(self, client: Any, headers: dict[str, str]) -> None:
        self._client, self._headers = client, headers

    async def ask(self, method: str, path: str, body: object = None) -> tuple[int, Any]:
        response = await self._client.request(
            method, f"/api/v1/certificates{path}", headers=self._headers, json=body
        )
        text = await response.text()
        return response.status, json.loads(text) if text else None

    async def put(self, name: str, certificate: str, key: str) -> tuple[int, Any]:
        return await self.ask("PUT", f"/{name}", {"certificate": certificate, "key": key})


@asynccontextmanager
async def asking(world: WebWorld, role: Role = Role.ADMIN) -> AsyncIterator[Asking]:
    world.add_user("ann", role)
    async with serving(world) as client:
        yield Asking(client, await log_in(client, "ann"))


async def test_a_certificate_is_kept_with_a_key_that_opens_on_hosts_only() -> None:
    world = a_web_world()
    certificate, key = a_pair()
    async with asking(world, Role.OPERATOR) as it:
        status, answer = await it.put("shop", certificate, key)
        assert status == 200, answer
        assert (answer["name"], answer["hosts"], answer["ends_soon"]) == ("shop", ["shop.example"], False)
        _, listed = await it.ask("GET", "")
    assert [each["name"] for each in listed["items"]] == ["shop"]
    assert "PRIVATE" not in json.dumps([answer, listed])
    with world.state.read() as txn:
        stored = records.ROUTE_CERTIFICATES.get(txn, "shop")
    assert stored is not None
    assert key.encode() not in stored.sealed_key
    assert open_certificate_key(stored, world.cluster.keyring()) == key.encode()
    assert "PRIVATE" not in repr(stored)


async def test_a_renewed_certificate_takes_the_place_of_the_old_one() -> None:
    async with asking(a_web_world()) as it:
        _, first = await it.put("shop", *a_pair())
        _, second = await it.put("shop", *a_pair("other.example"))
        _, listed = await it.ask("GET", "")
    assert first["fingerprint"] != second["fingerprint"]
    assert [each["hosts"] for each in listed["items"]] == [["other.example"]]


async def test_a_key_of_another_certificate_is_refused_and_nothing_is_kept() -> None:
    async with asking(a_web_world()) as it:
        certificate, _ = a_pair()
        _, key = a_pair()
        status, answer = await it.put("shop", certificate, key)
        assert (status, answer["errors"][0]["field"]) == (422, "key")
        assert (await it.ask("GET", ""))[1]["items"] == []


@pytest.mark.parametrize(
    ("certificate", "key", "field"),
    [("nonsense", "nonsense", "certificate"), (a_pair()[0], "nonsense", "key")],
)
async def test_what_is_no_pem_is_named(certificate: str, key: str, field: str) -> None:
    async with asking(a_web_world()) as it:
        status, answer = await it.put("shop", certificate, key)
    assert (status, answer["errors"][0]["field"]) == (422, field)


async def test_a_name_that_is_none_is_refused() -> None:
    async with asking(a_web_world()) as it:
        status, answer = await it.put("Shop!", *a_pair())
    assert (status, answer["errors"][0]["field"]) == (422, "name")


async def test_removing_takes_an_administrator_and_says_what_is_not_there() -> None:
    world = a_web_world()
    async with asking(world, Role.OPERATOR) as it:
        await it.put("shop", *a_pair())
        assert (await it.ask("DELETE", "/shop"))[0] == 403
    world = a_web_world()
    async with asking(world) as it:
        await it.put("shop", *a_pair())
        assert (await it.ask("DELETE", "/shop"))[0] == 204
        status, answer = await it.ask("DELETE", "/shop")
        assert (status, "certificate list" in answer["hint"]) == (404, True)


async def test_a_viewer_sees_them_and_puts_none() -> None:
    async with asking(a_web_world(), Role.VIEWER) as it:
        assert (await it.ask("GET", ""))[0] == 200
        assert (await it.put("shop", *a_pair()))[0] == 403


def test_one_that_has_ended_is_refused() -> None:
    certificate, key = a_pair()
    with pytest.raises(CertificateUnusable, match="ended on"):
        read_certificate(certificate, key.encode(), now_ms=NOW_MS + 200 * YEAR_MS)
