"""When a host asks for a new certificate, whom, and what it says when it is too late."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

import pytest

from agent.follow.certificate import CertificateRenewal
from agent.keys.identity import IdentityDirectory, NodeIdentity
from agent.keys.tls import TlsIdentity
from cluster.identity.addresses import parse_addresses
from cluster.identity.certificates import DAY_MS, issue_node_certificate, load_certificate
from cluster.identity.refusal import Refused
from cluster.identity.signing_requests import check_signing_request
from cluster.model.inventory import HostUnavailable
from tests.support.fake_clock import FakeClock
from tests.support.identity_builders import CLUSTER_ID, NOW_MS, a_ca, a_node_identity, some_bytes

LIFE_MS = 3 * DAY_MS


class Members:
    """Members that sign with the test's CA, but for those that are away."""

    def __init__(self, clock: FakeClock, *away: str) -> None:
        self.asked: list[str] = []
        self._clock = clock
        self._away = away

    async def renew(self, member: str, signing_request: str) -> str:
        self.asked.append(member)
        if member in self._away:
            raise HostUnavailable(f"{member} does not answer")
        request = check_signing_request(signing_request, node_id="nd_1")
        addresses = parse_addresses(("127.0.0.1",))
        assert not isinstance(request, Refused)
        assert not isinstance(addresses, Refused)
        return issue_node_certificate(
            a_ca(),
            request,
            cluster_id=CLUSTER_ID,
            addresses=addresses,
            now_ms=self._clock.now_ms(),
            serial=len(self.asked) + 7,
            ttl_ms=LIFE_MS,
        )


def _renewal(directory: Path, clock: FakeClock, members: Members) -> tuple[CertificateRenewal, NodeIdentity]:
    identity = a_node_identity(ca=a_ca(), ttl_ms=LIFE_MS)
    kept = IdentityDirectory(directory / "identity")
    kept.create(identity)
    renewal = CertificateRenewal(
        directory=kept,
        identity=identity,
        tls=TlsIdentity(kept, identity),
        members=lambda: ["nd_1", "nd_2", "nd_3"],
        renew=members.renew,
        clock=clock,
        entropy=lambda count: some_bytes(("renewal", len(members.asked)), count),
    )
    return renewal, identity


async def test_members_are_asked_in_turn_until_one_signs_a_new_key(tmp_path: Path) -> None:
    clock = FakeClock(now_ms=NOW_MS + DAY_MS)
    members = Members(clock, "nd_1")
    renewal, old = await asyncio.to_thread(_renewal, tmp_path, clock, members)
    assert await renewal.renew()
    assert members.asked == ["nd_1", "nd_2"]
    new = await asyncio.to_thread(IdentityDirectory(tmp_path / "identity").load)
    assert load_certificate(new.certificate_pem).serial_number == 9
    assert new.node_key_pem != old.node_key_pem


async def test_with_nobody_to_sign_the_old_certificate_stays(tmp_path: Path) -> None:
    clock = FakeClock(now_ms=NOW_MS + DAY_MS)
    members = Members(clock, "nd_1", "nd_2", "nd_3")
    renewal, old = await asyncio.to_thread(_renewal, tmp_path, clock, members)
    assert not await renewal.renew()
    assert await asyncio.to_thread(IdentityDirectory(tmp_path / "identity").load) == old


@pytest.mark.parametrize(("days", "is_said"), [(1, False), (4, True)])
async def test_a_certificate_that_has_ended_is_said_with_what_to_do(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, days: int, is_said: bool
) -> None:
    clock = FakeClock(now_ms=NOW_MS + days * DAY_MS)
    members = Members(clock, "nd_1", "nd_2", "nd_3")
    renewal, _ = await asyncio.to_thread(_renewal, tmp_path, clock, members)
    with caplog.at_level(logging.ERROR):
        async with asyncio.TaskGroup() as group:
            running = group.create_task(renewal.run())
            await clock.settle()
            running.cancel()
    assert [record.message for record in caplog.records] == (["certificate.expired"] if is_said else [])
    assert all("join again" in record.__dict__["next_step"] for record in caplog.records)
