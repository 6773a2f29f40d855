"""Whose address counts: a proxy is believed about its clients where it is trusted, and nobody else is."""

from __future__ import annotations

from ipaddress import ip_network

import pytest

from cluster.model.access import Role
from tests.support.web_fakes import PASSWORD, a_web_world, serving
from web.middleware.client_address import HOPS_MAX, TrustedProxies
from web.middleware.rate_limit import Limits, Quota

PROXIES = TrustedProxies((ip_network("10.0.0.5"), ip_network("10.1.0.0/24"), ip_network("2001:db8::/64")))
CLIENT = "192.0.2.7"
FORGED = "203.0.113.9"


@pytest.mark.parametrize(
    ("peer", "forwarded_for", "client"),
    [
        pytest.param("10.0.0.5", [CLIENT], CLIENT, id="a trusted proxy names its client"),
        pytest.param(
            "10.0.0.5", [f"{FORGED}, {CLIENT}"], CLIENT, id="what the client wrote itself is not read"
        ),
        pytest.param("10.0.0.5", [FORGED, CLIENT], CLIENT, id="several headers are one list"),
        pytest.param("10.0.0.5", [f"{CLIENT}, 10.1.0.8"], CLIENT, id="a proxy behind a proxy"),
        pytest.param("10.0.0.5", ["10.1.0.7, 10.1.0.8"], "10.1.0.7", id="nothing but proxies"),
        pytest.param("10.0.0.5", [], "10.0.0.5", id="a proxy that names nobody"),
        pytest.param("10.0.0.5", [f"{FORGED}, unknown"], "10.0.0.5", id="a client it does not name"),
        pytest.param("10.0.0.5", [f"{FORGED}, x, 10.1.0.8"], "10.1.0.8", id="no address ends the list"),
        pytest.param("10.0.0.5", [f"{CLIENT}:4711"], CLIENT, id="with a port"),
        pytest.param("::ffff:10.0.0.5", [f"::ffff:{CLIENT}"], CLIENT, id="in the form of version 6"),
        pytest.param("2001:db8::1", ["[2001:db8:1::7]:4711"], "2001:db8:1::7", id="version 6 with a port"),
        pytest.param("fe80::1%eth0", [FORGED], "fe80::1", id="an address with a zone"),
        pytest.param("10.0.0.6", [FORGED], "10.0.0.6", id="a neighbour of a proxy"),
        pytest.param(
            "10.0.0.5", [", ".join([FORGED, *["10.1.0.8"] * HOPS_MAX])], "10.1.0.8", id="too far back"
        ),
        pytest.param("", [FORGED], "", id="no address at all"),
    ],
)
def test_the_client_is_the_last_one_that_nobody_trusted_vouches_for(
    peer: str, forwarded_for: list[str], client: str
) -> None:
    assert PROXIES.client_of(peer, forwarded_for) == client


def test_nobody_is_trusted_by_default() -> None:
    assert TrustedProxies().client_of("127.0.0.1", [FORGED]) == "127.0.0.1"


@pytest.mark.parametrize("is_trusted", [False, True])
async def test_limits_and_records_are_those_of_the_client_where_the_proxy_is_trusted(
    is_trusted: bool,
) -> None:
    world = a_web_world()
    world.add_user("ann", Role.ADMIN)
    if is_trusted:
        world.trusted_proxies = (ip_network("127.0.0.1"),)
    limits = Limits(stranger=Quota(burst=2, per_minute=1))
    async with serving(world, limits=limits) as browser:

        async def log_in(forwarded_for: str, password: str) -> int:
            body = {"name": "ann", "password": password, "mode": "token"}
            headers = {"X-Forwarded-For": forwarded_for}
            return (await browser.post("/api/v1/auth/login", json=body, headers=headers)).status

        # As many as there may be, each of whom claims to be somebody else.
        for number in range(2):
            assert await log_in(f"203.0.113.{number}, {CLIENT}", "wrong") == 401
        assert await log_in(f"203.0.113.9, {CLIENT}", PASSWORD) == 429
        assert await log_in("192.0.2.8", PASSWORD) == (200 if is_trusted else 429)
    entries = [entry.stamp for entry in world.state.audit() if entry.stamp.is_allowed]
    logins = {stamp.ip for stamp in entries if stamp.action == "account.start-login"}
    assert logins == ({"192.0.2.8"} if is_trusted else set())
