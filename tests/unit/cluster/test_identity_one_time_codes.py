"""An authenticator's codes, recovery codes, tickets, and what devices say they are."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import pytest

from cluster.identity.devices import device_of
from cluster.identity.one_time_codes import (
    STEP_MS,
    authenticator_uri,
    code_at,
    looks_like_code,
    matching_step,
    recovery_code,
    recovery_hash,
)
from cluster.identity.refusal import Refused
from cluster.identity.tickets import TicketKind, TicketRefusal, make_ticket, open_ticket
from tests.support.identity_builders import NOW_MS, a_keyring, some_bytes

RFC_SECRET = b"12345678901234567890"


@pytest.mark.parametrize(
    ("time_s", "code"),
    [
        (59, "287082"),
        (1111111109, "081804"),
        (1111111111, "050471"),
        (1234567890, "005924"),
        (2000000000, "279037"),
        (20000000000, "353130"),
    ],
)
def test_codes_are_those_of_rfc_6238(time_s: int, code: str) -> None:
    assert code_at(RFC_SECRET, time_s * 1000 // STEP_MS) == code


@pytest.mark.parametrize(("steps", "is_right"), [(-2, False), (-1, True), (0, True), (1, True), (2, False)])
def test_a_code_counts_one_step_before_and_after_its_time(steps: int, is_right: bool) -> None:
    step = NOW_MS // STEP_MS
    found = matching_step(RFC_SECRET, code_at(RFC_SECRET, step), now_ms=NOW_MS + steps * STEP_MS)
    assert found == (step if is_right else None)


@pytest.mark.parametrize(
    "text", ["", "12345", "1234567", "abcdef", "\uff10\uff11\uff12\uff13\uff14\uff15", "\x00" * 6]
)
def test_what_is_no_code_is_wrong(text: str) -> None:
    assert matching_step(RFC_SECRET, text, now_ms=59_000) is None
    assert not looks_like_code(text)


def test_a_code_may_be_typed_with_spaces() -> None:
    assert matching_step(RFC_SECRET, " 287 082 ", now_ms=59_000) == 1


def test_the_uri_names_cluster_and_account_and_can_hold_any_sign() -> None:
    parts = urlsplit(authenticator_uri(RFC_SECRET, account="ann@example.com", cluster="prod & test"))
    assert (parts.scheme, parts.netloc) == ("otpauth", "totp")
    assert parts.path == "/Control%20Tower%20prod%20%26%20test%3Aann%40example.com"
    query = parse_qs(parts.query)
    assert query["secret"] == ["GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"]
    assert query["issuer"] == ["Control Tower prod & test"]


def test_a_recovery_code_is_of_one_account_and_may_be_typed_freely() -> None:
    code = recovery_code(some_bytes("recovery", 10))
    assert len(code) == 19
    assert recovery_hash("u1", code) == recovery_hash("u1", code.upper().replace("-", " "))
    assert recovery_hash("u1", code) != recovery_hash("u2", code)
    assert recovery_hash("u1", code[:-1]) is None


# Tickets.


def a_ticket(kind: TicketKind = TicketKind.LOGIN) -> str:
    return make_ticket(
        kind, {"principal": "u1", "epoch": 3}, a_keyring(), nonce=some_bytes("n", 12), ends_at_ms=NOW_MS + 1
    )


def test_a_ticket_says_what_it_was_given_on_any_node_that_holds_the_key() -> None:
    assert open_ticket(TicketKind.LOGIN, a_ticket(), a_keyring(), now_ms=NOW_MS) == {
        "principal": "u1",
        "epoch": 3,
    }


def test_a_ticket_ends_and_is_for_one_use_and_one_cluster() -> None:
    over = open_ticket(TicketKind.LOGIN, a_ticket(), a_keyring(), now_ms=NOW_MS + 1)
    assert isinstance(over, Refused)
    assert over.code is TicketRefusal.EXPIRED
    others = [
        open_ticket(TicketKind.SIGN_IN, a_ticket(), a_keyring(), now_ms=NOW_MS),
        open_ticket(TicketKind.LOGIN, a_ticket(), a_keyring("theirs"), now_ms=NOW_MS),
        open_ticket(TicketKind.LOGIN, a_ticket()[:-4] + "AAAA", a_keyring(), now_ms=NOW_MS),
        open_ticket(TicketKind.LOGIN, "é", a_keyring(), now_ms=NOW_MS),
        open_ticket(TicketKind.LOGIN, "", a_keyring(), now_ms=NOW_MS),
    ]
    assert [each.code for each in others if isinstance(each, Refused)] == [TicketRefusal.MALFORMED] * 5


# Devices.


@pytest.mark.parametrize(
    ("user_agent", "browser", "system", "kind"),
    [
        (
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0"
            " Safari/537.36 Edg/131.0",
            "Edge",
            "Windows",
            "desktop",
        ),
        (
            "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605 (KHTML, like Gecko)"
            " Version/18.1 Mobile/15E148 Safari/604.1",
            "Safari",
            "iOS",
            "mobile",
        ),
        (
            "Mozilla/5.0 (X11; Linux x86_64; rv:133.0) Gecko/20100101 Firefox/133.0",
            "Firefox",
            "Linux",
            "desktop",
        ),
        ("tower/1.0", "tower (command line)", "", "program"),
        ("", "", "", "program"),
    ],
)
def test_a_device_is_told_coarsely(user_agent: str, browser: str, system: str, kind: str) -> None:
    device = device_of(user_agent)
    assert (device.browser, device.system, device.kind) == (browser, system, kind)
