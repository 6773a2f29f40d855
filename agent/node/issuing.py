"""Signing node certificates with the cluster's CA, whose key every member can open."""

from __future__ import annotations

from collections.abc import Callable

from agent.clock import Clock
from agent.ids import Entropy
from agent.node.state import NodeState
from cluster.commands import Rejected
from cluster.commands.nodes import RecordCertificate
from cluster.identity.addresses import parse_addresses
from cluster.identity.certificates import (
    CertificateAuthority,
    issue_node_certificate,
    load_certificate,
    not_after_ms,
    open_ca,
    split_pems,
)
from cluster.identity.keyring import Keyring
from cluster.identity.refusal import Refused
from cluster.identity.signing_requests import check_signing_request
from cluster.model.ids import NodeId
from cluster.model.inventory import HostRefused, HostUnavailable
from cluster.model.node import ClusterIdentity
from cluster.raft.replicator import NotCommitted, OutcomeUnknown
from cluster.store import records


def authority_of(identity: ClusterIdentity, keyring: Keyring) -> CertificateAuthority:
    """The CA that signs now: the first of those the cluster trusts. Raises SealBroken."""
    return open_ca(split_pems(identity.ca_certificates_pem)[0], identity.sealed_ca_key, keyring)


def new_serial(entropy: Entropy) -> int:
    """A certificate's serial number: 16 random bytes, never zero in front."""
    return int.from_bytes(entropy(16), "big") | 1 << 120


async def record_certificate(state: NodeState, node_id: str, serial: int, certificate_pem: str) -> None:
    """Commit that the certificate was issued. Raises NotCommitted or OutcomeUnknown."""
    ends_ms = not_after_ms(load_certificate(certificate_pem))
    command = RecordCertificate(serial=f"{serial:x}", node_id=NodeId(node_id), not_after_ms=ends_ms)
    outcome = await state.propose(command)
    if isinstance(outcome, Rejected):
        raise NotCommitted(outcome.reason)


class Renewal:
    """New certificates for members that ask before their old ones end."""

    def __init__(
        self, *, state: NodeState, keyring: Callable[[], Keyring], clock: Clock, entropy: Entropy
    ) -> None:
        self._state = state
        self._keyring = keyring
        self._clock = clock
        self._entropy = entropy

    async def renew(self, node_id: str, signing_request: str) -> str:
        """The certificate for a member's new key. Raises HostRefused or HostUnavailable."""
        with self._state.read() as txn:
            node, identity = records.NODES.get(txn, node_id), records.CLUSTER.get(txn)
        if node is None or identity is None or not node.is_member:
            raise HostRefused(f"{node_id} is not a member of this cluster", code="refused")
        request = check_signing_request(signing_request, node_id=node_id)
        if isinstance(request, Refused):
            raise HostRefused(request.reason, code="refused")
        addresses = parse_addresses(certificate_addresses(node.name, node.address, node.api_address))
        assert not isinstance(addresses, Refused), "a registered node has addresses in order"
        serial = new_serial(self._entropy)
        certificate_pem = issue_node_certificate(
            authority_of(identity, self._keyring()),
            request,
            cluster_id=identity.cluster_id,
            addresses=addresses,
            now_ms=self._clock.now_ms(),
            serial=serial,
        )
        try:
            await record_certificate(self._state, node_id, serial, certificate_pem)
        except (NotCommitted, OutcomeUnknown) as error:
            raise HostUnavailable(f"the certificate could not be recorded: {error}") from error
        return certificate_pem


def certificate_addresses(name: str, *addresses: str) -> tuple[str, ...]:
    """What a node's certificate is valid for: its name, its own addresses, and itself by loopback."""
    hosts = [address.rpartition(":")[0].strip("[]") for address in addresses]
    return tuple(dict.fromkeys([*hosts, name, "localhost", "127.0.0.1", "::1"]))
