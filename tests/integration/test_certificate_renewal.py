"""Agents as processes whose certificates are near their end: new ones come by themselves."""

from __future__ import annotations

import os
import socket
import ssl
from collections.abc import Iterator

import pytest

from agent.clock import SystemClock
from agent.keys.identity import IdentityDirectory
from agent.node.directory import NodeDirectory
from agent.node.issuing import authority_of, certificate_addresses, new_serial
from cluster.identity.addresses import parse_addresses
from cluster.identity.certificates import (
    DAY_MS,
    CertificateAuthority,
    issue_node_certificate,
    load_certificate,
    renewal_due,
)
from cluster.identity.private_keys import SEED_BYTES, encode_private_key, private_key_from_seed
from cluster.identity.refusal import Refused
from cluster.identity.signing_requests import check_signing_request, make_signing_request
from cluster.identity.verification import load_der_certificate
from cluster.store import records
from cluster.store.lmdb_store import LmdbStore
from tests.support.agent_process import AgentProcess, agents, wait_until

pytestmark = pytest.mark.timeout(240)


@pytest.fixture
def two(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[AgentProcess]]:
    with agents(tmp_path_factory.mktemp("renewal"), "n1", "n2") as made:
        yield made


def _authority(agent: AgentProcess) -> CertificateAuthority:
    """The cluster's CA, from what a stopped agent keeps."""
    directory = NodeDirectory(agent.directory)
    store = LmdbStore(directory.state)
    try:
        with store.read() as txn:
            cluster = records.CLUSTER.get(txn)
    finally:
        store.close()
    assert cluster is not None
    return authority_of(cluster, directory.identity.load().keyring)


def _let_it_age(agent: AgentProcess, ca: CertificateAuthority) -> int:
    """Give a stopped agent a certificate of three days with a little less than one left; its serial."""
    directory = IdentityDirectory(agent.directory / "identity")
    identity = directory.load()
    key = private_key_from_seed(os.urandom(SEED_BYTES))
    request = check_signing_request(
        make_signing_request(node_id=identity.node_id, key=key), node_id=identity.node_id
    )
    addresses = parse_addresses(certificate_addresses(agent.name))
    assert not isinstance(request, Refused)
    assert not isinstance(addresses, Refused)
    now_ms = SystemClock().now_ms()
    certificate_pem = issue_node_certificate(
        ca,
        request,
        cluster_id=identity.cluster_id,
        addresses=addresses,
        now_ms=now_ms - 2 * DAY_MS - DAY_MS // 2,
        serial=new_serial(os.urandom),
        ttl_ms=3 * DAY_MS,
    )
    certificate = load_certificate(certificate_pem)
    assert renewal_due(certificate, now_ms)
    directory.replace_certificate(
        identity, node_key_pem=encode_private_key(key), certificate_pem=certificate_pem
    )
    return certificate.serial_number


def _shown_serial(agent: AgentProcess) -> int:
    """Of the certificate that a new connection is shown. Raises ssl.SSLError when it is not valid."""
    context = ssl.create_default_context(cafile=str(agent.ca))
    with (
        socket.create_connection(("127.0.0.1", agent.api_port), timeout=5) as connection,
        context.wrap_socket(connection, server_hostname="127.0.0.1") as secured,
    ):
        der = secured.getpeercert(binary_form=True)
    assert der is not None
    return load_der_certificate(der).serial_number


def test_certificates_near_their_end_are_replaced_while_the_agents_run(two: list[AgentProcess]) -> None:
    first, second = two
    first.init()
    first.start()
    token = first.login()
    body = {"ttl_s": 600, "uses": 1, "learner": False}
    status, answer = first.request("POST", "/api/v1/join-tokens", body, token=token)
    assert status == 201, answer
    second.join(first, answer["token"])
    assert first.stop() == 0
    ca = _authority(first)
    old = {agent.name: _let_it_age(agent, ca) for agent in two}

    first.start()
    second.start()
    for agent in two:
        # The founder asks itself, the other whichever member can sign: itself too, once it has caught up.
        wait_until(
            f"{agent.name} shows a new certificate",
            lambda agent=agent: _shown_serial(agent) != old[agent.name],
            agent.tail,
        )
    for agent in two:
        identity = IdentityDirectory(agent.directory / "identity").load()
        certificate = load_certificate(identity.certificate_pem)
        assert certificate.serial_number == _shown_serial(agent)
        assert not renewal_due(certificate, SystemClock().now_ms())
        assert agent.status("/readyz") == 200
