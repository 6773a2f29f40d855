"""Who this host is, on disk.

    <data directory>/identity/    0700
        node.json       node and cluster, by id and name
        node.pem        private key and certificate, one file so that a renewal replaces both or neither
        ca.pem          the CA certificates that are trusted, the signing one first
        cluster.key     the cluster keys, the one in use first

A new identity is written beside its place and renamed into it: there is a whole one or none. Blocking:
call from a worker thread.
"""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import dataclass, field, replace
from pathlib import Path

from agent.keys.errors import IdentityDamaged, IdentityExists, IdentityMissing, IdentityUnwritable
from agent.keys.private_files import (
    DIRECTORY_MODE,
    check_private_directory,
    read_private_file,
    sync_directory,
    write_private_file,
)
from cluster.identity.certificates import is_key_of, issued_by, load_certificate, split_pems
from cluster.identity.errors import CertificateDamaged, KeyringDamaged
from cluster.identity.keyring import Keyring, decode_keyring, encode_keyring
from cluster.identity.private_keys import decode_private_key
from cluster.identity.refusal import Refused
from cluster.identity.verification import read_node_certificate

_FORMAT = 1
_NEXT_STEP = "restore it from a backup of this host, or remove the node on another host and join again"


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeIdentity:
    """Everything that makes this host a member. Its repr is safe to log."""

    node_id: str
    node_name: str
    cluster_id: str
    cluster_name: str
    node_key_pem: str = field(repr=False)
    certificate_pem: str
    ca_pem: str
    keyring: Keyring

    @property
    def ca_pems(self) -> tuple[str, ...]:
        """Each trusted CA certificate by itself, the signing one first."""
        return split_pems(self.ca_pem)


class IdentityDirectory:
    """The identity of this host in one directory. One process at a time; not for several threads."""

    def __init__(self, path: Path) -> None:
        """`path` is the identity directory itself, made by `create`; its parent must exist."""
        self._path = path
        self._facts = path / "node.json"
        self._cluster_key = path / "cluster.key"

    @property
    def ca_pem_path(self) -> Path:
        """The file with the CA certificates that are trusted."""
        return self._path / "ca.pem"

    @property
    def node_pem_path(self) -> Path:
        """The file with private key and certificate, as `ssl.SSLContext.load_cert_chain` takes it."""
        return self._path / "node.pem"

    def exists(self) -> bool:
        """Whether this host belongs to a cluster (or did, and its identity is damaged)."""
        return self._path.is_dir() and any(self._path.iterdir())

    def create(self, identity: NodeIdentity) -> None:
        """Make `identity` this host's, durable on return.

        Raises:
            IdentityExists: this host is somebody already; nothing is changed.
            IdentityDamaged: the parts of `identity` do not belong together; nothing is written.
            IdentityUnwritable: with the path and the system's reason.
        """
        self.refuse_second()
        _check(identity, self._path)
        building = self._path.with_name(f".{self._path.name}.new")
        try:
            if building.exists():
                shutil.rmtree(building)
            building.mkdir(mode=DIRECTORY_MODE)
            _write_all(IdentityDirectory(building), identity)
            os.rename(building, self._path)
            sync_directory(self._path.parent)
        except OSError as error:
            # Somebody else's identity can have come between the check and the rename.
            self.refuse_second()
            raise IdentityUnwritable(f"{self._path}: cannot be made: {error.strerror}") from error

    def load(self) -> NodeIdentity:
        """Return this host's identity, its parts checked against each other. Dates are not looked at.

        Raises:
            IdentityMissing: this host belongs to no cluster.
            IdentityUnsafe: others can get at it.
            IdentityDamaged: with the path of the part that is wrong.
            IdentityUnwritable: the system does not let us read it.
        """
        if not self.exists():
            raise IdentityMissing(
                f"{self._path}: this host belongs to no cluster; run `tower init` for a new one, "
                "or `tower join HOST --token ...`"
            )
        check_private_directory(self._path)
        facts = _parse_facts(read_private_file(self._facts), self._facts)
        key_pem, certificate_pem = _split_node_pem(read_private_file(self.node_pem_path), self.node_pem_path)
        try:
            keyring = decode_keyring(read_private_file(self._cluster_key))
        except KeyringDamaged as error:
            raise IdentityDamaged(f"{self._cluster_key}: {error}; {_NEXT_STEP}") from error
        identity = NodeIdentity(
            **facts,
            node_key_pem=key_pem,
            certificate_pem=certificate_pem,
            ca_pem=read_private_file(self.ca_pem_path),
            keyring=keyring,
        )
        _check(identity, self._path)
        return identity

    def replace_certificate(
        self, identity: NodeIdentity, *, node_key_pem: str, certificate_pem: str
    ) -> NodeIdentity:
        """Store a renewed certificate and its key, and return the identity with them.

        Raises:
            IdentityDamaged: the two do not belong together or to this node; nothing is written.
            IdentityUnwritable: with the path and the system's reason; the old pair is still there.
        """
        renewed = replace(identity, node_key_pem=node_key_pem, certificate_pem=certificate_pem)
        _check(renewed, self._path)
        write_private_file(self.node_pem_path, _join_node_pem(renewed))
        return renewed

    def replace_ca(self, identity: NodeIdentity, ca_pem: str) -> NodeIdentity:
        """Store the trusted CA certificates, the signing one first, and return the identity with them.

        Raises:
            IdentityDamaged: none of them issued this node's certificate; nothing is written.
            IdentityUnwritable: with the path and the system's reason; the old ones are still there.
        """
        changed = replace(identity, ca_pem=ca_pem)
        _check(changed, self._path)
        write_private_file(self.ca_pem_path, ca_pem)
        return changed

    def replace_keyring(self, identity: NodeIdentity, keyring: Keyring) -> NodeIdentity:
        """Store the cluster keys, and return the identity with them.

        Raises:
            IdentityUnwritable: with the path and the system's reason; the old ones are still there.
        """
        write_private_file(self._cluster_key, encode_keyring(keyring))
        return replace(identity, keyring=keyring)

    def remove(self) -> None:
        """Forget who this host was (after leaving the cluster). Does nothing when it was nobody.

        Raises:
            IdentityUnwritable: with the path and the system's reason.
        """
        leaving = self._path.with_name(f".{self._path.name}.old")
        try:
            if leaving.exists():
                shutil.rmtree(leaving)
            if self._path.exists():
                # The rename first: a crash in between leaves no half identity in place.
                os.rename(self._path, leaving)
                sync_directory(self._path.parent)
                shutil.rmtree(leaving)
        except OSError as error:
            raise IdentityUnwritable(f"{self._path}: cannot be removed: {error.strerror}") from error

    def refuse_second(self) -> None:
        """Return if this host is nobody yet.

        Raises:
            IdentityExists: saying who it is and what to do.
        """
        if not self.exists():
            return
        try:
            facts = _parse_facts(self._facts.read_text("ascii"), self._facts)
            whose = f"node {facts['node_name']} ({facts['node_id']}) of cluster {facts['cluster_name']}"
        except (OSError, UnicodeDecodeError, IdentityDamaged):
            whose = "a node of a cluster"
        raise IdentityExists(
            f"this host is already {whose} ({self._path}); to make it another's, run `tower leave` first"
        )


def _write_all(directory: IdentityDirectory, identity: NodeIdentity) -> None:
    facts = {
        "format": _FORMAT,
        "node_id": identity.node_id,
        "node_name": identity.node_name,
        "cluster_id": identity.cluster_id,
        "cluster_name": identity.cluster_name,
    }
    write_private_file(directory._facts, json.dumps(facts, indent=2) + "\n")
    write_private_file(directory.node_pem_path, _join_node_pem(identity))
    write_private_file(directory.ca_pem_path, identity.ca_pem)
    write_private_file(directory._cluster_key, encode_keyring(identity.keyring))


def _parse_facts(text: str, path: Path) -> dict[str, str]:
    names = ("node_id", "node_name", "cluster_id", "cluster_name")
    try:
        facts = json.loads(text)
    except ValueError as error:
        raise IdentityDamaged(f"{path}: is not JSON; {_NEXT_STEP}") from error
    if not isinstance(facts, dict) or facts.get("format") != _FORMAT:
        raise IdentityDamaged(
            f"{path}: its format is not {_FORMAT}; was it written by a newer release of Control Tower?"
        )
    for name in names:
        if not isinstance(facts.get(name), str):
            raise IdentityDamaged(f"{path}: {name!r} is missing or not text; {_NEXT_STEP}")
    return {name: facts[name] for name in names}


def _join_node_pem(identity: NodeIdentity) -> str:
    return f"{identity.node_key_pem.strip()}\n{identity.certificate_pem.strip()}\n"


def _split_node_pem(text: str, path: Path) -> tuple[str, str]:
    start = text.find("-----BEGIN CERTIFICATE-----")
    if start < 0:
        raise IdentityDamaged(f"{path}: holds no certificate; {_NEXT_STEP}")
    return text[:start], text[start:]


def _check(identity: NodeIdentity, path: Path) -> None:
    """Return when key, certificate, CA and names belong together, or raise IdentityDamaged."""
    node_pem = path / "node.pem"
    try:
        certificate = load_certificate(identity.certificate_pem)
        if not is_key_of(decode_private_key(identity.node_key_pem), certificate):
            raise IdentityDamaged(f"{node_pem}: the key is not the certificate's; {_NEXT_STEP}")
    except CertificateDamaged as error:
        raise IdentityDamaged(f"{node_pem}: {error}; {_NEXT_STEP}") from error
    named = read_node_certificate(certificate)
    if isinstance(named, Refused):
        raise IdentityDamaged(f"{node_pem}: {named.reason}; {_NEXT_STEP}")
    if (named.node_id, named.cluster_id) != (identity.node_id, identity.cluster_id):
        raise IdentityDamaged(
            f"{node_pem}: is of node {named.node_id} in cluster {named.cluster_id}, and this host is node "
            f"{identity.node_id} in cluster {identity.cluster_id}; {_NEXT_STEP}"
        )
    try:
        issuers = [load_certificate(pem) for pem in identity.ca_pems]
    except CertificateDamaged as error:
        raise IdentityDamaged(f"{path / 'ca.pem'}: {error}; {_NEXT_STEP}") from error
    if not any(issued_by(certificate, issuer) for issuer in issuers):
        raise IdentityDamaged(f"{path / 'ca.pem'}: no CA in it signed {node_pem}; {_NEXT_STEP}")
