"""Asking a cluster to let this host in. Blocking, before any event loop runs.

Nothing but "give me your CA" is sent before that CA's fingerprint is the one in the token.
"""

from __future__ import annotations

import http.client
import json
import ssl
from collections.abc import Mapping
from dataclasses import dataclass

from agent.clock import Clock
from agent.ids import Entropy
from agent.keys.identity import NodeIdentity
from agent.keys.tls import first_contact_context, joining_context
from agent.node.directory import NodeDirectory
from agent.node.issuing import certificate_addresses
from cluster.encoding import pack, unpack
from cluster.identity.join_tokens import parse_join_token
from cluster.identity.joining import (
    RECIPIENT_SEED_BYTES,
    Joined,
    answer_from_wire,
    begin_join,
    finish_join,
    request_to_wire,
)
from cluster.identity.refusal import Refused
from cluster.raft.journal import Journal
from cluster.raft.log_storage import LmdbLog

KEY_SEED_BYTES = 40
_HEADERS = {"Content-Type": "application/json", "Accept": "application/json"}
ANSWER_BYTES_MAX = 1024 * 1024
CA_TIMEOUT_S = 10.0
JOIN_TIMEOUT_S = 60.0


class JoinFailed(Exception):
    """This host was not let in; the text says why and what to do. Nothing was kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Membership:
    """What joining gave this host."""

    identity: NodeIdentity
    is_learner: bool


def join(
    directory: NodeDirectory,
    *,
    host: str,
    token_text: str,
    node_name: str,
    addresses: tuple[str, ...],
    raft_address: str,
    api_address: str,
    clock: Clock,
    entropy: Entropy,
) -> Membership:
    """Become a member of the cluster that `host` ("host:port" of its api address) belongs to.

    Raises:
        JoinFailed: the token, the host, the network or the cluster says no.
        IdentityExists: this host is a member of a cluster already; nothing was sent.
    """
    directory.prepare()
    directory.identity.refuse_second()
    token = parse_join_token(token_text)
    if isinstance(token, Refused):
        raise JoinFailed(
            f"{token.reason}: copy it whole, as `tower token create` on a host of the cluster printed it"
        )
    ca_pem = _ca_of(host)
    pending = begin_join(
        token=token,
        ca_pem=ca_pem,
        node_name=node_name,
        addresses=certificate_addresses(node_name, raft_address, api_address, *(f"{a}:0" for a in addresses)),
        peer_address=raft_address,
        api_address=api_address,
        node_key_seed=entropy(KEY_SEED_BYTES),
        recipient_seed=entropy(RECIPIENT_SEED_BYTES),
    )
    if isinstance(pending, Refused):
        raise JoinFailed(pending.reason)
    body = json.dumps(request_to_wire(pending.request)).encode()
    reply = _ask(host, "POST", "/api/v1/join", joining_context(ca_pem), JOIN_TIMEOUT_S, body)
    answer = answer_from_wire(_parse(reply))
    if isinstance(answer, Refused):
        raise JoinFailed(answer.reason)
    joined = finish_join(pending, answer, now_ms=clock.now_ms())
    if isinstance(joined, Refused):
        raise JoinFailed(joined.reason)
    return _keep(directory, joined)


def seeds_of(directory: NodeDirectory) -> Mapping[str, str]:
    """The members a host that has just joined was told of; none once its log names them."""
    if not directory.seeds.exists():
        return {}
    seeds = unpack(directory.seeds.read_bytes())
    return {str(node_id): str(address) for node_id, address in seeds}


def _ca_of(host: str) -> str:
    """What `host` says is its cluster's CA. Nothing is verified yet."""
    answer = _parse(_ask(host, "GET", "/api/v1/ca", first_contact_context(), CA_TIMEOUT_S))
    ca_pem = answer.get("ca_pem") if isinstance(answer, dict) else None
    return ca_pem if isinstance(ca_pem, str) else ""


def _keep(directory: NodeDirectory, joined: Joined) -> Membership:
    storage = LmdbLog(directory.log)
    try:
        if len(Journal(storage)) > 0:
            raise JoinFailed(f"{directory.log} holds the log of another cluster: remove it and join again")
    finally:
        storage.close()
    seeds = [[member.node_id, member.peer_address] for member in joined.members]
    directory.seeds.write_bytes(pack(seeds))
    identity = NodeIdentity(
        node_id=joined.node_id,
        node_name=joined.node_name,
        cluster_id=joined.cluster_id,
        cluster_name=joined.cluster_name,
        node_key_pem=joined.node_key_pem,
        certificate_pem=joined.certificate_pem,
        ca_pem=joined.ca_pem,
        keyring=joined.keyring,
    )
    directory.forget_measured()
    directory.identity.create(identity)
    return Membership(identity=identity, is_learner=joined.is_learner)


def _ask(
    host: str, method: str, path: str, context: ssl.SSLContext, timeout_s: float, body: bytes | None = None
) -> bytes:
    name, _, port = host.rpartition(":")
    connection = http.client.HTTPSConnection(name.strip("[]"), int(port), context=context, timeout=timeout_s)
    try:
        connection.request(method, path, body=body, headers=_HEADERS)
        response = connection.getresponse()
        data = response.read(ANSWER_BYTES_MAX + 1)
    except (OSError, http.client.HTTPException, ssl.SSLError) as error:
        raise JoinFailed(
            f"{host} cannot be joined through: {_reason(error)}; give the api address of a running member, "
            "whose port is 7443 unless its listen.api says otherwise"
        ) from error
    finally:
        connection.close()
    if response.status != http.HTTPStatus.OK:
        problem = _parse(data)
        detail = problem.get("detail") if isinstance(problem, dict) else None
        raise JoinFailed(str(detail or f"{host} answered with status {response.status}"))
    return data


def _reason(error: Exception) -> str:
    """Why a host gave no answer, in words."""
    match error:
        case ssl.SSLError(reason=str(reason)) if "CERTIFICATE_REQUIRED" in reason:
            return "that is a port for members alone (listen.raft or listen.peers)"
        case http.client.RemoteDisconnected():
            return (
                "it ended the connection; that may be a port for members alone (listen.raft or listen.peers)"
            )
        case ssl.SSLCertVerificationError():
            return f"its certificate is not of the cluster's CA ({error.verify_message})"
        case ssl.SSLError():
            return f"there is no TLS 1.3 ({error.reason or error})"
        case TimeoutError():
            return "no answer came in time"
        case OSError() if error.strerror:
            return error.strerror.lower()
        case _:
            return f"the answer is not HTTP ({error})"


def _parse(data: bytes) -> object:
    try:
        return json.loads(data)
    except ValueError:
        return None
