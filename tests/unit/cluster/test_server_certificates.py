"""What certificates for routers and for the dashboard have to keep to."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from cluster.commands.route_certificates import PutRouteCertificate
from cluster.commands.web_certificates import PutWebCertificate
from cluster.model.secrets import SEALED_EXTRA_BYTES
from cluster.model.server_certificates import CHAIN_BYTES_MAX, HOSTS_MAX, KEY_BYTES_MAX

FITTING: dict[str, Any] = {
    "name": "front",
    "chain_pem": "-----BEGIN CERTIFICATE-----\n",
    "sealed_key": bytes(SEALED_EXTRA_BYTES + KEY_BYTES_MAX),
    "hosts": ("tower.example.com",) * HOSTS_MAX,
    "not_after_ms": 1,
    "fingerprint": "0f" * 32,
    "changed_by": "ann",
}


def for_a_router(**fields: Any) -> None:
    PutRouteCertificate(**FITTING | fields)


def for_the_dashboard(**fields: Any) -> None:
    PutWebCertificate(not_before_ms=0, **FITTING | fields)


@pytest.mark.parametrize("put", [for_a_router, for_the_dashboard])
@pytest.mark.parametrize(
    ("fields", "refusal"),
    [
        ({"name": "Front door"}, "certificate name"),
        ({"chain_pem": ""}, "certificate: 0 characters"),
        ({"chain_pem": "c" * (CHAIN_BYTES_MAX + 1)}, "certificate: 65537 characters"),
        ({"sealed_key": bytes(SEALED_EXTRA_BYTES)}, "private key, bytes 0"),
        ({"sealed_key": bytes(SEALED_EXTRA_BYTES + KEY_BYTES_MAX + 1)}, "private key, bytes 16385"),
        ({"hosts": ("a.example",) * (HOSTS_MAX + 1)}, "hosts: 257 items"),
        ({"hosts": ("",)}, "hosts: 0 characters"),
        ({"not_after_ms": -1}, "not after -1"),
        ({"fingerprint": "0F" * 32}, "fingerprint"),
        ({"fingerprint": "0f" * 31}, "fingerprint"),
        ({"changed_by": "a" * 129}, "changed by: 129 characters"),
    ],
)
def test_a_certificate_out_of_bounds_is_refused_by_its_field(
    put: Callable[..., None], fields: dict[str, Any], refusal: str
) -> None:
    put()
    with pytest.raises(ValueError, match=refusal):
        put(**fields)
