"""TLS contexts made from an identity: handshakes in memory, without a socket."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path

import pytest

from agent.clock import SystemClock
from agent.keys.errors import IdentityDamaged
from agent.keys.identity import IdentityDirectory, NodeIdentity
from agent.keys.tls import (
    TlsIdentity,
    first_contact_context,
    joining_context,
    peer_certificate,
    web_client_context,
)
from cluster.identity.certificates import DAY_MS
from cluster.identity.verification import NodeCertificate, load_der_certificate, read_node_certificate
from tests.support.identity_builders import a_ca, a_node_identity

# OpenSSL reads the system's clock, so these certificates start there.
NOW_MS = SystemClock().now_ms()


@dataclass
class Handshake:
    """What became of one handshake: each side's error, and the certificates each saw."""

    client: ssl.SSLObject
    server: ssl.SSLObject
    client_error: ssl.SSLError | None = None
    server_error: ssl.SSLError | None = None

    @property
    def succeeded(self) -> bool:
        return self.client_error is None and self.server_error is None

    @property
    def server_node(self) -> str:
        return node_of(self.client)

    @property
    def client_node(self) -> str:
        return node_of(self.server)


def node_of(connection: ssl.SSLObject) -> str:
    der = peer_certificate(connection)
    assert der is not None
    named = read_node_certificate(load_der_certificate(der))
    assert isinstance(named, NodeCertificate)
    return named.node_id


def shake_hands(client: ssl.SSLContext, server: ssl.SSLContext, name: str | None = "127.0.0.1") -> Handshake:
    to_client, to_server = ssl.MemoryBIO(), ssl.MemoryBIO()
    result = Handshake(
        client=client.wrap_bio(to_client, to_server, server_side=False, server_hostname=name),
        server=server.wrap_bio(to_server, to_client, server_side=True),
    )
    for _ in range(6):
        result.client_error = result.client_error or _step(result.client)
        result.server_error = result.server_error or _step(result.server)
    return result


def _step(side: ssl.SSLObject) -> ssl.SSLError | None:
    try:
        side.do_handshake()
    except ssl.SSLWantReadError:
        return None
    except ssl.SSLError as error:
        return error
    return None


def a_tls_identity(tmp_path: Path, identity: NodeIdentity) -> TlsIdentity:
    directory = IdentityDirectory(tmp_path / f"{identity.node_id}-{identity.cluster_id}")
    directory.create(identity)
    return TlsIdentity(directory, identity)


def an_identity(
    node_id: str = "nd_1", ca_label: str = "ca", key_label: str = "key", days: int = 30
) -> NodeIdentity:
    return a_node_identity(
        node_id=node_id,
        ca=a_ca(ca_label, now_ms=NOW_MS),
        key_label=key_label,
        now_ms=NOW_MS,
        ttl_ms=days * DAY_MS,
    )


def test_two_members_know_each_other_by_certificate(tmp_path: Path) -> None:
    one = a_tls_identity(tmp_path, an_identity("nd_1"))
    two = a_tls_identity(tmp_path, an_identity("nd_2"))
    hands = shake_hands(two.peer_client, one.peer_server, "10.99.99.99")
    assert hands.succeeded
    assert (hands.server_node, hands.client_node) == ("nd_1", "nd_2")
    assert hands.client.version() == "TLSv1.3"


def test_a_peer_without_a_certificate_is_refused(tmp_path: Path) -> None:
    one = a_tls_identity(tmp_path, an_identity())
    hands = shake_hands(one.web_client, one.peer_server)
    assert hands.client_error is None
    assert hands.server_error is not None
    assert "PEER_DID_NOT_RETURN_A_CERTIFICATE" in str(hands.server_error)


def test_a_peer_of_another_cluster_is_refused_by_both_sides(tmp_path: Path) -> None:
    one = a_tls_identity(tmp_path, an_identity("nd_1"))
    foreign = a_tls_identity(tmp_path, an_identity("nd_2", ca_label="foreign"))
    assert shake_hands(foreign.peer_client, one.peer_server).client_error is not None
    foreign.peer_client.verify_mode = ssl.CERT_NONE
    assert shake_hands(foreign.peer_client, one.peer_server).server_error is not None


def test_an_expired_certificate_is_refused(tmp_path: Path) -> None:
    ca = a_ca(now_ms=NOW_MS - 90 * DAY_MS)
    expired = a_node_identity(ca=ca, now_ms=NOW_MS - 31 * DAY_MS)
    one = a_tls_identity(tmp_path, expired)
    hands = shake_hands(web_client_context(ca.certificate_pem), one.web_server)
    assert "certificate has expired" in str(hands.client_error)


def test_browsers_need_no_certificate_and_check_the_host_name(tmp_path: Path) -> None:
    one = a_tls_identity(tmp_path, an_identity())
    client = web_client_context(a_ca(now_ms=NOW_MS).certificate_pem)
    for name in ("localhost", "127.0.0.1", "::1"):
        assert shake_hands(client, one.web_server, name).succeeded
    for name in ("10.0.0.1", "example.org"):
        assert "mismatch" in str(shake_hands(client, one.web_server, name).client_error)


def test_a_joining_host_trusts_the_checked_ca_under_any_address(tmp_path: Path) -> None:
    one = a_tls_identity(tmp_path, an_identity())
    assert shake_hands(
        joining_context(a_ca(now_ms=NOW_MS).certificate_pem), one.web_server, "10.0.0.1"
    ).succeeded
    other = joining_context(a_ca("other", now_ms=NOW_MS).certificate_pem)
    assert shake_hands(other, one.web_server, "10.0.0.1").client_error is not None
    assert shake_hands(first_contact_context(), one.web_server, "10.0.0.1").succeeded


@pytest.mark.parametrize("listener", ["web_server", "peer_server"])
def test_tls_1_2_is_refused(tmp_path: Path, listener: str) -> None:
    one = a_tls_identity(tmp_path, an_identity())
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    old.check_hostname = False
    old.verify_mode = ssl.CERT_NONE
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    hands = shake_hands(old, getattr(one, listener))
    assert hands.server_error is not None
    assert "UNSUPPORTED_PROTOCOL" in str(hands.server_error)


@pytest.mark.parametrize("name", ["localhost", None], ids=["with server name", "without"])
def test_a_renewed_certificate_is_shown_by_listeners_that_are_already_there(
    tmp_path: Path, name: str | None
) -> None:
    directory = IdentityDirectory(tmp_path / "identity")
    identity = an_identity()
    directory.create(identity)
    one = TlsIdentity(directory, identity)
    two = a_tls_identity(tmp_path, an_identity("nd_2"))
    web, peers = one.web_server, one.peer_server
    before = [peer_certificate(shake_hands(two.peer_client, each, name).client) for each in (web, peers)]
    renewed = an_identity(key_label="second", days=20)
    identity = directory.replace_certificate(
        identity, node_key_pem=renewed.node_key_pem, certificate_pem=renewed.certificate_pem
    )
    one.replace(identity)
    after = [shake_hands(two.peer_client, each, name) for each in (web, peers)]
    assert all(hands.succeeded for hands in after)
    assert before[0] == before[1]
    assert [peer_certificate(hands.client) for hands in after] == [
        ssl.PEM_cert_to_DER_cert(renewed.certificate_pem)
    ] * 2
    assert before[0] != peer_certificate(after[0].client)
    assert one.not_after_ms // 1000 == (NOW_MS + 20 * DAY_MS) // 1000


def test_a_ca_that_is_no_longer_trusted_is_refused_by_listeners_that_are_already_there(
    tmp_path: Path,
) -> None:
    directory = IdentityDirectory(tmp_path / "identity")
    identity = an_identity()
    directory.create(identity)
    one = TlsIdentity(directory, identity)
    old_peer = a_tls_identity(tmp_path, an_identity("nd_2"))
    new_ca = a_ca("new", now_ms=NOW_MS).certificate_pem
    peers = one.peer_server
    assert shake_hands(old_peer.peer_client, peers).succeeded
    # The order of a rotation: trust both, renew, trust the new one only.
    identity = directory.replace_ca(identity, new_ca + identity.ca_pem)
    renewed = an_identity(ca_label="new", key_label="second")
    identity = directory.replace_certificate(
        identity, node_key_pem=renewed.node_key_pem, certificate_pem=renewed.certificate_pem
    )
    one.replace(identity)
    old_peer.peer_client.load_verify_locations(cadata=new_ca)
    assert shake_hands(old_peer.peer_client, peers).succeeded
    one.replace(directory.replace_ca(identity, new_ca))
    assert shake_hands(old_peer.peer_client, peers).server_error is not None
    new_peer = a_tls_identity(tmp_path, an_identity("nd_3", ca_label="new"))
    assert shake_hands(new_peer.peer_client, peers).succeeded


def test_a_replacement_openssl_does_not_take_leaves_the_old_one_in_use(tmp_path: Path) -> None:
    directory = IdentityDirectory(tmp_path / "identity")
    identity = an_identity()
    directory.create(identity)
    one = TlsIdentity(directory, identity)
    good = directory.node_pem_path.read_text()
    directory.node_pem_path.write_text("nonsense")
    with pytest.raises(IdentityDamaged, match=r"node\.pem: OpenSSL cannot use it"):
        one.replace(identity)
    assert shake_hands(one.web_client, one.web_server).succeeded
    directory.node_pem_path.write_text(good)
    one.replace(identity)
    assert shake_hands(one.web_client, one.web_server).succeeded


def test_a_ca_that_is_none_is_an_error() -> None:
    with pytest.raises(IdentityDamaged, match="CA certificate"):
        web_client_context("nonsense")
