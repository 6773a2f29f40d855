"""A cluster CA of a test's own, and node certificates signed by it."""

from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from cluster.raft.tls import CLUSTER_URI, NODE_URI, FileContexts

EPOCH = datetime(2020, 1, 1, tzinfo=UTC)
"""Certificates are valid from here, whatever the machine's clock says."""


class Authority:
    """Signs node certificates for one cluster, into files below `directory`."""

    def __init__(self, directory: Path, cluster_id: str = "c1") -> None:
        self.directory = directory
        self.cluster_id = cluster_id
        directory.mkdir(parents=True, exist_ok=True)
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"ca of {cluster_id}")])
        self.ca_file = directory / "ca.pem"
        certificate = (
            self._builder(self._name, self._key.public_key(), EPOCH + timedelta(days=36_500))
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .sign(self._key, hashes.SHA256())
        )
        self.ca_file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))

    def issue(
        self,
        node_id: str,
        *,
        cluster_id: str | None = None,
        not_after: datetime = EPOCH + timedelta(days=36_000),
        with_node_uri: bool = True,
        with_cluster_uri: bool = True,
        name: str | None = None,
    ) -> tuple[Path, Path]:
        """Return the files of a certificate and its key; `name` is their base name."""
        key = ec.generate_private_key(ec.SECP256R1())
        names: list[x509.GeneralName] = [
            x509.DNSName("tower.test"),
            x509.IPAddress(IPv4Address("127.0.0.1")),
        ]
        if with_node_uri:
            names.append(x509.UniformResourceIdentifier(f"{NODE_URI}{node_id}"))
        if with_cluster_uri:
            names.append(x509.UniformResourceIdentifier(f"{CLUSTER_URI}{cluster_id or self.cluster_id}"))
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, node_id)])
        usages = [ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH]
        certificate = (
            self._builder(subject, key.public_key(), not_after)
            .add_extension(x509.SubjectAlternativeName(names), critical=False)
            .add_extension(x509.ExtendedKeyUsage(usages), critical=False)
            .sign(self._key, hashes.SHA256())
        )
        base = name or node_id
        certificate_file, key_file = self.directory / f"{base}.pem", self.directory / f"{base}.key"
        key_file.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        certificate_file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        return certificate_file, key_file

    def contexts(self, node_id: str) -> FileContexts:
        """Return the TLS contexts of a node with a fresh certificate."""
        certificate, key = self.issue(node_id)
        return FileContexts(certificate=certificate, key=key, ca=self.ca_file)

    def _builder(
        self, subject: x509.Name, public_key: ec.EllipticCurvePublicKey, not_after: datetime
    ) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(public_key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(EPOCH)
            .not_valid_after(not_after)
        )
