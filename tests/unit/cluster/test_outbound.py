"""Which addresses may be called because somebody gave a URL."""

from __future__ import annotations

import pytest

from cluster.model.outbound import parse_networks, why_refused


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "127.8.8.8",
        "::1",
        "0.0.0.0",  # noqa: S104 (an address to call)
        "::",
        "10.0.0.1",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "fe80::1",
        "fe80::1%eth0",
        "fd00::1",
        "100.64.0.1",
        "224.0.0.1",
        "ff02::1",
        "255.255.255.255",
        "240.0.0.1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "2002:7f00:1::1",
        "64:ff9b::7f00:1",
        "64:ff9b::a9fe:a9fe",
        "2001:db8::1",
        "192.0.2.1",
        "not-an-address",
        "",
    ],
)
def test_what_is_not_public_is_refused(address: str) -> None:
    assert why_refused(address, ()) != ""


@pytest.mark.parametrize(
    "address", ["8.8.8.8", "1.1.1.1", "2606:4700:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"]
)
def test_what_is_public_is_called(address: str) -> None:
    assert why_refused(address, ()) == ""


def test_a_network_that_was_allowed_is_called_and_no_other() -> None:
    allowed = parse_networks("10.0.5.0/24, 127.0.0.1")
    assert why_refused("10.0.5.9", allowed) == ""
    assert why_refused("::ffff:10.0.5.9", allowed) == ""
    assert why_refused("127.0.0.1", allowed) == ""
    assert why_refused("10.0.6.1", allowed) != ""
    assert why_refused("127.0.0.2", allowed) != ""


def test_a_mapped_address_that_was_allowed_does_not_open_what_is_inside_of_another() -> None:
    assert why_refused("64:ff9b::a9fe:a9fe", parse_networks("64:ff9b::/96")) != ""


def test_a_value_that_is_no_list_of_networks_names_the_wrong_one() -> None:
    with pytest.raises(ValueError, match=r"outbound\.allowed_networks: '10\.0\.0\.1/8' is no network"):
        parse_networks("192.168.1.0/24, 10.0.0.1/8")
    with pytest.raises(ValueError, match="65 networks; at most 64"):
        parse_networks(",".join(f"10.0.{number}.0/24" for number in range(65)))
