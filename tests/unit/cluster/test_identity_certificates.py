"""Certificates: what is issued, what is refused, and what a certificate proves."""

from __future__ import annotations

import subprocess
from datetime import UTC, datetime
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from cryptography.x509.verification import PolicyBuilder, Store

from cluster.identity.addresses import AddressRefusal, parse_address, parse_addresses
from cluster.identity.certificates import (
    CA_TTL_MS,
    DAY_MS,
    CertificateAuthority,
    fingerprint,
    format_fingerprint,
    issued_by,
    load_certificate,
    make_ca,
    not_after_ms,
    not_before_ms,
    open_ca,
    renewal_due,
    renewal_due_ms,
    seal_ca_key,
    split_pems,
)
from cluster.identity.errors import CertificateDamaged, SealBroken
from cluster.identity.private_keys import SEED_BYTES, decode_private_key, private_key_from_seed
from cluster.identity.refusal import Refused
from cluster.identity.signing_requests import (
    SigningRefusal,
    SigningRequest,
    check_signing_request,
    make_signing_request,
)
from cluster.identity.verification import (
    CertificateRefusal,
    NodeCertificate,
    load_der_certificate,
    verify_node_certificate,
)
from tests.support.identity_builders import CLUSTER_ID, NOW_MS, a_ca, a_keyring, a_node_identity, some_bytes

MINUTE_MS = 60_000


def a_key(label: object = "key") -> ec.EllipticCurvePrivateKey:
    return private_key_from_seed(some_bytes(label, SEED_BYTES))


def verify(
    pem: str, ca: CertificateAuthority, *, now_ms: int = NOW_MS, node_id: str | None = None
) -> NodeCertificate | Refused[CertificateRefusal]:
    return verify_node_certificate(
        load_certificate(pem),
        trusted_ca_pems=(ca.certificate_pem,),
        cluster_id=CLUSTER_ID,
        now_ms=now_ms,
        node_id=node_id,
    )


def refusal(answer: object) -> object:
    assert isinstance(answer, Refused), answer
    assert answer.reason
    return answer.code


def test_a_node_certificate_names_node_cluster_and_addresses_and_serves_both_ends() -> None:
    identity = a_node_identity(addresses=("B.example", "a.example", "10.0.0.1", "::1"))
    certificate = load_certificate(identity.certificate_pem)
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.UniformResourceIdentifier) == [
        "tower://node/nd_1",
        f"tower://cluster/{CLUSTER_ID}",
    ]
    assert names.get_values_for_type(x509.DNSName) == ["a.example", "b.example"]
    assert names.get_values_for_type(x509.IPAddress) == [ip_address("10.0.0.1"), ip_address("::1")]
    uses = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert set(uses) == {ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH}
    constraints = certificate.extensions.get_extension_for_class(x509.BasicConstraints)
    assert constraints.critical
    assert not constraints.value.ca


def test_the_ca_may_sign_nodes_and_no_other_ca() -> None:
    ca = load_certificate(a_ca().certificate_pem)
    constraints = ca.extensions.get_extension_for_class(x509.BasicConstraints).value
    assert (constraints.ca, constraints.path_length) == (True, 0)
    assert not_after_ms(ca) == NOW_MS + CA_TTL_MS


def test_validity_starts_five_minutes_ago_and_lasts_thirty_days() -> None:
    certificate = load_certificate(a_node_identity().certificate_pem)
    assert not_before_ms(certificate) == NOW_MS - 5 * MINUTE_MS
    assert not_after_ms(certificate) == NOW_MS + 30 * DAY_MS


def test_a_node_certificate_never_outlives_its_ca() -> None:
    ca = a_ca(now_ms=NOW_MS - CA_TTL_MS + DAY_MS)
    certificate = load_certificate(a_node_identity(ca=ca).certificate_pem)
    assert not_after_ms(certificate) == not_after_ms(load_certificate(ca.certificate_pem))


def test_an_expired_ca_signs_nothing() -> None:
    with pytest.raises(CertificateDamaged, match="CA expired on"):
        a_node_identity(ca=a_ca(now_ms=NOW_MS - CA_TTL_MS))


def test_equal_arguments_give_equal_certificates() -> None:
    assert a_node_identity().certificate_pem == a_node_identity().certificate_pem
    assert a_ca().certificate_pem == a_ca().certificate_pem


def test_renewal_is_due_after_two_thirds_of_the_life() -> None:
    certificate = load_certificate(a_node_identity().certificate_pem)
    due_ms = renewal_due_ms(certificate)
    assert due_ms == NOW_MS - 5 * MINUTE_MS + (30 * DAY_MS + 5 * MINUTE_MS) * 2 // 3
    assert not renewal_due(certificate, due_ms - 1)
    assert renewal_due(certificate, due_ms)
    assert renewal_due(certificate, NOW_MS + 365 * DAY_MS)


@pytest.mark.parametrize("name", ["", "x" * 49, "ü" * 25, "a\nb"])
def test_a_cluster_name_no_certificate_can_hold_is_named_in_the_error(name: str) -> None:
    with pytest.raises(ValueError, match=r"cluster name .*1 to 48 bytes"):
        make_ca(cluster_id=CLUSTER_ID, name=name, now_ms=NOW_MS, serial=1, key=a_key())


def test_the_longest_cluster_name_and_id_still_fit_into_the_common_name() -> None:
    pem = make_ca(cluster_id="c" * 63, name="ü" * 24, now_ms=NOW_MS, serial=1, key=a_key())
    [common_name] = load_certificate(pem).subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    assert str(common_name.value) == f"{'ü' * 24} {'c' * 12} CA"


def test_the_fingerprint_is_the_one_openssl_prints(tmp_path: Path) -> None:
    ca = a_ca()
    path = tmp_path / "ca.pem"
    path.write_text(ca.certificate_pem)
    printed = subprocess.run(
        ["openssl", "x509", "-in", path, "-noout", "-fingerprint", "-sha256"],
        check=True,
        capture_output=True,
        text=True,
        timeout=30,
    ).stdout
    digest = fingerprint(ca.certificate_pem)
    assert printed.strip().partition("=")[2].replace(":", "").lower() == digest.hex()
    assert format_fingerprint(digest) == f"SHA256:{digest.hex()}"


def test_several_certificates_in_one_text_are_told_apart() -> None:
    pems = [a_ca("one").certificate_pem, a_ca("two").certificate_pem]
    assert [fingerprint(pem) for pem in split_pems("".join(pems))] == [fingerprint(pem) for pem in pems]


# What a certificate proves.


def test_a_certificate_of_the_cluster_proves_its_node() -> None:
    proven = verify(a_node_identity().certificate_pem, a_ca(), node_id="nd_1")
    assert isinstance(proven, NodeCertificate)
    assert (proven.node_id, proven.cluster_id) == ("nd_1", CLUSTER_ID)
    assert proven.addresses == ("localhost", "127.0.0.1", "::1")


def test_a_certificate_for_another_node_is_refused_by_name() -> None:
    answer = verify(a_node_identity().certificate_pem, a_ca(), node_id="nd_2")
    assert refusal(answer) is CertificateRefusal.OTHER_NODE


def test_a_certificate_for_another_cluster_is_refused_even_from_the_same_ca() -> None:
    answer = verify(a_node_identity(cluster_id="cl_other").certificate_pem, a_ca())
    assert refusal(answer) is CertificateRefusal.OTHER_CLUSTER


def test_a_certificate_from_another_ca_with_the_same_names_is_refused() -> None:
    answer = verify(a_node_identity(ca=a_ca("impostor")).certificate_pem, a_ca())
    assert refusal(answer) is CertificateRefusal.UNTRUSTED


def test_a_ca_certificate_is_no_member() -> None:
    assert refusal(verify(a_ca().certificate_pem, a_ca())) is CertificateRefusal.NOT_A_NODE


def test_both_cas_are_trusted_while_the_ca_is_rotated() -> None:
    old, new = a_ca("old"), a_ca("new")
    for ca in (old, new):
        proven = verify_node_certificate(
            load_certificate(a_node_identity(ca=ca).certificate_pem),
            trusted_ca_pems=(new.certificate_pem, old.certificate_pem),
            cluster_id=CLUSTER_ID,
            now_ms=NOW_MS,
        )
        assert isinstance(proven, NodeCertificate)


@pytest.mark.parametrize(
    ("offset_ms", "expected"),
    [
        (-5 * MINUTE_MS - 1, CertificateRefusal.NOT_YET_VALID),
        (-5 * MINUTE_MS, None),
        (30 * DAY_MS, None),
        (30 * DAY_MS + 1, CertificateRefusal.EXPIRED),
    ],
)
def test_a_certificate_holds_from_its_first_to_its_last_moment(
    offset_ms: int, expected: CertificateRefusal | None
) -> None:
    answer = verify(a_node_identity().certificate_pem, a_ca(), now_ms=NOW_MS + offset_ms)
    assert (answer.code if isinstance(answer, Refused) else None) is expected


def test_an_expired_certificate_says_since_when() -> None:
    answer = verify(a_node_identity().certificate_pem, a_ca(), now_ms=NOW_MS + 33 * DAY_MS)
    assert isinstance(answer, Refused)
    assert "expired 3 days ago" in answer.reason


def test_bytes_that_are_no_certificate_are_an_error_and_not_a_crash() -> None:
    with pytest.raises(CertificateDamaged):
        load_der_certificate(b"\x30\x03abc")
    with pytest.raises(CertificateDamaged):
        load_certificate("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")


def test_a_changed_certificate_is_not_issued_by_the_ca() -> None:
    ca = load_certificate(a_ca().certificate_pem)
    good = load_certificate(a_node_identity().certificate_pem)
    der = bytearray(good.public_bytes(serialization.Encoding.DER))
    der[-1] ^= 1
    assert issued_by(good, ca)
    assert not issued_by(load_der_certificate(bytes(der)), ca)


@pytest.mark.parametrize("name", [x509.DNSName("localhost"), x509.IPAddress(ip_address("127.0.0.1"))])
def test_the_server_certificate_passes_the_web_pki_rules_of_browsers(
    name: x509.DNSName | x509.IPAddress,
) -> None:
    # cryptography's verifier follows the CA/B Forum profile that Chromium and Firefox enforce.
    identity = a_node_identity()
    store = Store([load_certificate(identity.ca_pem)])
    now = datetime.fromtimestamp(NOW_MS / 1000, tz=UTC)
    verifier = PolicyBuilder().store(store).time(now).build_server_verifier(name)
    chain = verifier.verify(load_certificate(identity.certificate_pem), [])
    assert len(chain) == 2


# Signing requests.


def test_a_request_for_ones_own_node_is_taken() -> None:
    request = check_signing_request(make_signing_request(node_id="nd_1", key=a_key()), node_id="nd_1")
    assert isinstance(request, SigningRequest)
    assert request.public_key == a_key().public_key()


def test_a_request_that_names_another_node_is_refused() -> None:
    pem = make_signing_request(node_id="nd_2", key=a_key())
    assert refusal(check_signing_request(pem, node_id="nd_1")) is SigningRefusal.OTHER_NODE


def _signing_request(
    *,
    common_names: tuple[str, ...] = ("nd_1",),
    names: tuple[x509.GeneralName, ...] = (x509.UniformResourceIdentifier("tower://node/nd_1"),),
    extra: x509.ExtensionType | None = None,
    key: ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey | None = None,
) -> str:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name) for name in common_names])
    builder = x509.CertificateSigningRequestBuilder(subject)
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    if extra is not None:
        builder = builder.add_extension(extra, critical=False)
    key = key or a_key()
    algorithm = None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA256()
    return builder.sign(key, algorithm).public_bytes(serialization.Encoding.PEM).decode()


OWN_URI = x509.UniformResourceIdentifier("tower://node/nd_1")


@pytest.mark.parametrize(
    ("pem", "code"),
    [
        (_signing_request(common_names=("nd_2",)), SigningRefusal.OTHER_NODE),
        (_signing_request(common_names=("nd_1", "nd_2")), SigningRefusal.OTHER_NODE),
        (
            _signing_request(names=(OWN_URI, x509.UniformResourceIdentifier("tower://node/nd_2"))),
            SigningRefusal.OTHER_NODE,
        ),
        (
            _signing_request(names=(OWN_URI, x509.UniformResourceIdentifier("tower://cluster/cl_1"))),
            SigningRefusal.OTHER_NODE,
        ),
        (_signing_request(names=(OWN_URI, x509.DNSName("bank.example"))), SigningRefusal.ASKS_FOR_MORE),
        (_signing_request(names=()), SigningRefusal.ASKS_FOR_MORE),
        (_signing_request(common_names=()), SigningRefusal.ASKS_FOR_MORE),
        (
            _signing_request(extra=x509.BasicConstraints(ca=True, path_length=None)),
            SigningRefusal.ASKS_FOR_MORE,
        ),
        (_signing_request(key=ec.generate_private_key(ec.SECP384R1())), SigningRefusal.WRONG_KEY_TYPE),
        (_signing_request(key=ed25519.Ed25519PrivateKey.generate()), SigningRefusal.WRONG_KEY_TYPE),
        ("", SigningRefusal.MALFORMED),
        ("\ud800", SigningRefusal.MALFORMED),
        (
            "-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----",
            SigningRefusal.MALFORMED,
        ),
        (_signing_request() + " " * 9000, SigningRefusal.MALFORMED),
    ],
)
def test_a_request_that_is_wrong_or_asks_for_more_is_refused(pem: str, code: SigningRefusal) -> None:
    assert refusal(check_signing_request(pem, node_id="nd_1")) is code


def test_a_request_for_a_key_its_sender_does_not_hold_is_refused() -> None:
    pem = make_signing_request(node_id="nd_1", key=a_key())
    der = bytearray(x509.load_pem_x509_csr(pem.encode()).public_bytes(serialization.Encoding.DER))
    mine = (
        a_key()
        .public_key()
        .public_bytes(serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint)
    )
    stolen = (
        a_key("victim")
        .public_key()
        .public_bytes(serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint)
    )
    at = bytes(der).index(mine)
    der[at : at + len(stolen)] = stolen
    forged = x509.load_der_x509_csr(bytes(der)).public_bytes(serialization.Encoding.PEM).decode()
    assert refusal(check_signing_request(forged, node_id="nd_1")) is SigningRefusal.NOT_PROVEN


@pytest.mark.parametrize("node_id", ["", "../x", "a b", "x" * 64, "-a", "Nd"])
def test_an_id_that_could_not_be_a_node_is_refused(node_id: str) -> None:
    pem = make_signing_request(node_id="nd_1", key=a_key())
    assert refusal(check_signing_request(pem, node_id=node_id)) is SigningRefusal.BAD_NODE_ID


# The CA's key.


def test_the_ca_key_opens_with_the_cluster_key_and_signs() -> None:
    ca = a_ca()
    sealed = seal_ca_key(ca, a_keyring(), nonce=some_bytes("nonce", 12))
    opened = open_ca(ca.certificate_pem, sealed, a_keyring())
    identity = a_node_identity(ca=opened)
    assert isinstance(verify(identity.certificate_pem, ca), NodeCertificate)


def test_the_ca_key_does_not_open_with_another_cluster_key_or_beside_another_ca() -> None:
    ca = a_ca()
    sealed = seal_ca_key(ca, a_keyring(), nonce=some_bytes("nonce", 12))
    with pytest.raises(SealBroken, match="this node holds"):
        open_ca(ca.certificate_pem, sealed, a_keyring("other"))
    with pytest.raises(SealBroken, match="belong to another place"):
        open_ca(a_ca("other").certificate_pem, sealed, a_keyring())


@pytest.mark.parametrize("pem", ["", "x", a_ca().certificate_pem])
def test_text_that_is_no_private_key_is_an_error(pem: str) -> None:
    with pytest.raises(CertificateDamaged, match="private key"):
        decode_private_key(pem)


# Addresses.


@pytest.mark.parametrize(
    "text", ["host", "a.b-c.example", "xn--bcher-kva.example", "10.0.0.1", "fe80::1", "HOST."]
)
def test_host_names_and_ip_addresses_are_taken(text: str) -> None:
    assert not isinstance(parse_address(text), Refused)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", AddressRefusal.NOT_AN_ADDRESS),
        ("*.example", AddressRefusal.NOT_AN_ADDRESS),
        ("my_host", AddressRefusal.NOT_AN_ADDRESS),
        ("host:7443", AddressRefusal.NOT_AN_ADDRESS),
        ("[::1]", AddressRefusal.NOT_AN_ADDRESS),
        ("300.1.1.1", AddressRefusal.NOT_AN_ADDRESS),
        ("bücher.example", AddressRefusal.NOT_AN_ADDRESS),
        ("a" * 64, AddressRefusal.NOT_AN_ADDRESS),
        ("a..b", AddressRefusal.NOT_AN_ADDRESS),
        ("0.0.0.0", AddressRefusal.UNUSABLE),  # noqa: S104 - the text under test, nothing listens on it
        ("::", AddressRefusal.UNUSABLE),
        ("fe80::1%eth0", AddressRefusal.UNUSABLE),
        ("224.0.0.1", AddressRefusal.UNUSABLE),
    ],
)
def test_what_is_no_address_is_refused_and_quoted(text: str, code: AddressRefusal) -> None:
    assert refusal(parse_address(text)) is code


def test_addresses_are_listed_once_and_in_order() -> None:
    parsed = parse_addresses(("b", "10.0.0.1", "a", "B", "10.0.0.1"))
    assert not isinstance(parsed, Refused)
    assert [str(name.value) for name in parsed] == ["a", "b", "10.0.0.1"]
    assert refusal(parse_addresses(tuple(f"h{n}" for n in range(33)))) is AddressRefusal.TOO_MANY
