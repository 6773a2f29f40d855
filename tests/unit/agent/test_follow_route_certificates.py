"""The certificates of a host's router: the cluster's, and those of its own directory."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

import pytest

from agent.follow.route_certificates import LOOK_S, RouteCertificates, read_directory
from cluster.commands.route_certificates import PutRouteCertificate
from cluster.identity.stored_secrets import seal_certificate_key
from tests.support.fake_clock import FakeClock
from tests.support.host_kit import HostState
from tests.support.identity_builders import a_keyring

FINGERPRINT = "ab" * 32


def put(state: HostState, name: str, key: str, *, fingerprint: str = FINGERPRINT) -> None:
    sealed = seal_certificate_key(
        key.encode(), a_keyring(), name=name, fingerprint=FINGERPRINT, nonce=bytes(12)
    )
    command = PutRouteCertificate(
        name=name,
        chain_pem=f"chain of {name}\n",
        sealed_key=sealed,
        hosts=(f"{name}.example",),
        not_after_ms=1,
        fingerprint=fingerprint,
        changed_by="ann",
    )
    state.replica.must(command, client="person", leader_term=0)
    state.replica.store.flush()


def those_of(state: HostState, directory: Path | None = None) -> RouteCertificates:
    return RouteCertificates(state=state, keyring=a_keyring, directory=directory, clock=FakeClock())


def test_the_clusters_certificates_come_with_their_keys() -> None:
    state = HostState()
    put(state, "shop", "key of shop")
    [certificate] = those_of(state).current()
    assert (certificate.name, certificate.pem) == ("shop", "chain of shop\nkey of shop")
    assert "key of shop" not in repr(certificate)


def test_one_whose_key_does_not_open_is_left_out_and_named_once(caplog: pytest.LogCaptureFixture) -> None:
    state = HostState()
    put(state, "shop", "key", fingerprint="cd" * 32)
    put(state, "blog", "key")
    certificates = those_of(state)
    with caplog.at_level(logging.WARNING):
        assert [each.name for each in certificates.current()] == ["blog"]
        certificates.current()
    assert caplog.text.count("route_certificate.sealed") == 1


def test_a_directory_holds_whole_files_and_what_acme_clients_keep(tmp_path: Path) -> None:
    (tmp_path / "one.pem").write_text("one")
    live = tmp_path / "shop.example"
    live.mkdir()
    (live / "fullchain.pem").write_text("chain\n\n")
    (live / "privkey.pem").write_text("key")
    (tmp_path / "README").write_text("not one")
    (tmp_path / "half").mkdir()
    found, problem = read_directory(tmp_path)
    assert problem == ""
    assert {each.name: each.pem for each in found} == {
        "file-one": "one",
        "file-shop.example": "chain\nkey",
    }


def test_a_directory_that_is_not_there_is_named(tmp_path: Path) -> None:
    found, problem = read_directory(tmp_path / "gone")
    assert found == ()
    assert "gone cannot be read" in problem


async def test_a_renewed_file_is_noticed(tmp_path: Path) -> None:
    file = tmp_path / "shop.pem"
    await asyncio.to_thread(file.write_text, "first")
    certificates = those_of(HostState(), tmp_path)
    clock = certificates._clock
    assert isinstance(clock, FakeClock)
    async with asyncio.timeout(10), asyncio.TaskGroup() as group:
        running = group.create_task(certificates.run())
        await certificates.changed.wait()
        assert [each.pem for each in certificates.current()] == ["first"]
        certificates.changed.clear()
        await asyncio.to_thread(file.write_text, "renewed")
        await clock.advance(LOOK_S)
        await certificates.changed.wait()
        assert [each.pem for each in certificates.current()] == ["renewed"]
        running.cancel()
