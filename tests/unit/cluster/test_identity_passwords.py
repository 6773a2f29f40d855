"""Passwords, and slowing down whoever guesses them."""

from __future__ import annotations

import pytest

from cluster.identity import passwords
from cluster.identity.passwords import (
    CURRENT_COST,
    Argon2Cost,
    PasswordCheck,
    PasswordRefusal,
    check_new_password,
    hash_password,
    verify_password,
)
from cluster.identity.throttle import (
    ACCOUNT_BACK_OFF,
    ADDRESS_BACK_OFF,
    BackOff,
    LoginThrottle,
    Standing,
    Throttled,
)
from tests.support.identity_builders import NOW_MS, some_bytes

CHEAP = Argon2Cost(memory_kib=64, passes=1, lanes=1)
SALT = some_bytes("salt", 16)
GOOD = "correct zebra under ladders"


def test_the_right_password_matches_and_a_wrong_one_does_not() -> None:
    stored = hash_password(GOOD, salt=SALT)
    assert stored.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert verify_password(GOOD, stored) == PasswordCheck(matches=True, needs_rehash=False)
    assert verify_password(GOOD + " ", stored) == PasswordCheck(matches=False, needs_rehash=False)


def test_a_hash_of_another_cost_still_matches_and_asks_to_be_made_anew() -> None:
    stored = hash_password(GOOD, salt=SALT, cost=CHEAP)
    assert verify_password(GOOD, stored) == PasswordCheck(matches=True, needs_rehash=True)
    assert verify_password("wrong", stored) == PasswordCheck(matches=False, needs_rehash=False)


def test_an_unknown_user_costs_as_much_as_a_wrong_password() -> None:
    assert passwords._read_cost(passwords._NOBODY) == CURRENT_COST
    assert verify_password(GOOD, None) == PasswordCheck(matches=False, needs_rehash=False)


@pytest.mark.parametrize(
    "stored",
    [
        "",
        "plain text",
        "$argon2i$v=19$m=64,t=1,p=1$c2FsdHNhbHQ$AAAAAAAAAAAAAAAAAAAAAA",
        "$argon2id$v=19$m=9999999,t=999,p=99$c2FsdHNhbHQ$AAAAAAAAAAAAAAAAAAAAAA",
        hash_password(GOOD, salt=SALT, cost=CHEAP)[:-4],
    ],
)
def test_a_damaged_hash_matches_nothing_and_takes_no_memory(stored: str) -> None:
    assert not verify_password(GOOD, stored).matches


def test_the_same_characters_typed_on_two_systems_are_one_password() -> None:
    stored = hash_password("Zürich liegt am See", salt=SALT, cost=CHEAP)
    assert verify_password("Zu\u0308rich liegt am See", stored).matches


@pytest.mark.parametrize("password", ["\ud800" * 12, "x" * 100_000, ""])
def test_strange_passwords_are_wrong_and_not_an_error(password: str) -> None:
    assert not verify_password(password, hash_password(GOOD, salt=SALT, cost=CHEAP)).matches


@pytest.mark.parametrize(
    "password",
    [
        GOOD,
        "correct-horse-7-battery",
        "xK9#mQ2$vL5!",
        "пароль из слов",
        "four words are enough",
        "t4ble m0untain",
    ],
)
def test_long_and_unusual_is_good_whatever_it_is_made_of(password: str) -> None:
    assert check_new_password(password, account="anna") is None


@pytest.mark.parametrize(
    ("password", "code"),
    [
        ("short pass1", PasswordRefusal.TOO_SHORT),
        ("x1Y2z3" * 400, PasswordRefusal.TOO_LONG),
        ("\ud800bcdefghijklmn", PasswordRefusal.NOT_TEXT),
        ("password1234", PasswordRefusal.COMMON),
        ("P@ssw0rd1234", PasswordRefusal.COMMON),
        ("Welcome2026!!", PasswordRefusal.COMMON),
        ("!!!admin!!!123", PasswordRefusal.COMMON),
        ("correct horse battery staple", PasswordRefusal.COMMON),
        ("aaaaaaaaaaaa", PasswordRefusal.PREDICTABLE),
        ("123456789012", PasswordRefusal.PREDICTABLE),
        ("qwertyuiopas", PasswordRefusal.PREDICTABLE),
        ("lkjhgfdsapoi", PasswordRefusal.PREDICTABLE),
        ("zxcvbqzxcvbq", None),
        ("ab12cab12cab12c", PasswordRefusal.PREDICTABLE),
        ("anna-schmidt1", PasswordRefusal.ABOUT_THE_ACCOUNT),
        ("annaschmidtannaschmidt", PasswordRefusal.ABOUT_THE_ACCOUNT),
    ],
)
def test_what_is_guessed_first_is_refused(password: str, code: PasswordRefusal | None) -> None:
    answer = check_new_password(password, account="anna.schmidt@example.org")
    assert (answer.code if answer is not None else None) is code
    if answer is not None:
        assert password not in answer.reason


# The throttle.


def admit(
    throttle: LoginThrottle, *, now_ms: int = NOW_MS, account: str = "anna", address: str = "192.0.2.1"
) -> int:
    answer = throttle.admit(account=account, address=address, now_ms=now_ms)
    return answer.retry_after_ms if isinstance(answer, Throttled) else 0


def test_five_failures_are_free_and_then_the_delay_doubles_up_to_a_quarter_of_an_hour() -> None:
    assert [ACCOUNT_BACK_OFF.delay_ms(failures) for failures in range(5, 9)] == [0, 1000, 2000, 4000]
    assert ACCOUNT_BACK_OFF.delay_ms(10**9) == 900_000
    assert ADDRESS_BACK_OFF.delay_ms(20) == 0


def test_a_guesser_waits_and_the_wait_ends() -> None:
    throttle = LoginThrottle()
    assert [admit(throttle) for _ in range(6)] == [0] * 6
    assert admit(throttle) == 1000
    assert admit(throttle, now_ms=NOW_MS + 999) == 1
    assert admit(throttle, now_ms=NOW_MS + 1000) == 0
    assert admit(throttle, now_ms=NOW_MS + 1000) == 2000


def test_refused_attempts_do_not_make_the_wait_longer() -> None:
    throttle = LoginThrottle()
    for _ in range(1000):
        admit(throttle)
    assert admit(throttle, now_ms=NOW_MS + 999) == 1
    assert admit(throttle, now_ms=NOW_MS + 1000) == 0


def test_attempts_at_the_same_moment_get_no_further_than_one_after_the_other() -> None:
    throttle = LoginThrottle()
    let_in = sum(admit(throttle) == 0 for _ in range(100))
    assert let_in == ACCOUNT_BACK_OFF.free + 1


def test_a_success_forgets_the_accounts_failures() -> None:
    throttle = LoginThrottle()
    for _ in range(5):
        admit(throttle)
    throttle.succeeded(account="ANNA ", address="192.0.2.1")
    assert [admit(throttle) for _ in range(6)] == [0] * 6


def test_a_success_of_ones_own_account_does_not_excuse_guessing_others() -> None:
    throttle = LoginThrottle()
    for guess in range(ADDRESS_BACK_OFF.free + 1):
        assert admit(throttle, account=f"user{guess}") == 0
    assert admit(throttle, account="mine") > 0
    throttle.succeeded(account="mine", address="192.0.2.1")
    assert admit(throttle, account="victim") == 0
    assert admit(throttle, account="victim") > 0


def test_one_account_is_slowed_down_from_every_address() -> None:
    throttle = LoginThrottle()
    for host in range(6):
        admit(throttle, address=f"198.51.100.{host}")
    assert admit(throttle, address="203.0.113.9") == 1000


def test_somebody_elses_guesses_keep_nobody_waiting_where_they_have_logged_in_from() -> None:
    throttle = LoginThrottle()
    for host in range(200):
        admit(throttle, address=f"198.51.100.{host}")
    assert admit(throttle, address="203.0.113.9") > 0
    for _ in range(ACCOUNT_BACK_OFF.free + 1):
        assert throttle.admit(account="anna", address="192.0.2.1", now_ms=NOW_MS, is_familiar=True) is None
    assert throttle.admit(account="anna", address="192.0.2.1", now_ms=NOW_MS, is_familiar=True) is not None


def test_a_right_password_does_not_excuse_the_codes_that_were_guessed() -> None:
    throttle = LoginThrottle()
    for _ in range(ACCOUNT_BACK_OFF.free):
        admit(throttle)
        admit(throttle)
        throttle.half_succeeded(account="anna", address="192.0.2.1")
    assert admit(throttle) == 0
    assert admit(throttle) > 0


def test_what_is_counted_of_an_account_can_be_seen_and_forgotten() -> None:
    throttle = LoginThrottle()
    for _ in range(6):
        admit(throttle)
    assert throttle.standing("Anna", NOW_MS) == Standing(failures=6, wait_ms=1000)
    throttle.clear("anna")
    assert throttle.standing("anna", NOW_MS) == Standing(failures=0, wait_ms=0)


def test_an_ipv6_network_counts_as_one_address_and_a_mapped_one_as_ipv4() -> None:
    throttle = LoginThrottle()
    for host in range(ADDRESS_BACK_OFF.free + 1):
        admit(throttle, account=f"u{host}", address=f"2001:db8::{host:x}")
    assert admit(throttle, account="x", address="2001:db8::ffff") > 0
    assert admit(throttle, account="x", address="2001:db8:0:1::1") == 0
    for host in range(ADDRESS_BACK_OFF.free + 1):
        admit(throttle, account=f"v{host}", address="::ffff:192.0.2.7")
    assert admit(throttle, account="y", address="192.0.2.7") > 0


def test_failures_are_forgotten_one_by_one() -> None:
    throttle = LoginThrottle()
    for _ in range(6):
        admit(throttle)
    later_ms = NOW_MS + 3 * ACCOUNT_BACK_OFF.forget_ms
    assert [admit(throttle, now_ms=later_ms) for _ in range(4)] == [0, 0, 0, 1000]


def test_memory_is_bounded_and_the_account_under_attack_is_kept() -> None:
    throttle = LoginThrottle(capacity=100)
    for _ in range(6):
        admit(throttle, account="victim", address="203.0.113.1")
    for flood in range(1000):
        admit(throttle, account=f"u{flood}", address=f"10.0.{flood // 250}.{flood % 250}")
    assert throttle.size <= 200
    assert admit(throttle, account="victim", address="203.0.113.99") == 1000


def test_a_clock_set_back_makes_nobody_wait_longer_than_the_delay() -> None:
    throttle = LoginThrottle()
    for _ in range(6):
        admit(throttle)
    assert admit(throttle, now_ms=NOW_MS - 10**9) == 1000


def test_the_refusal_tells_how_long_to_wait() -> None:
    throttle = LoginThrottle(account=BackOff(free=0, first_delay_ms=90_000, delay_max_ms=90_000, forget_ms=1))
    throttle.admit(account="anna", address="192.0.2.1", now_ms=NOW_MS)
    answer = throttle.admit(account="anna", address="192.0.2.1", now_ms=NOW_MS)
    assert answer == Throttled(retry_after_ms=90_000, reason="too many failed logins; try again in 1 min")
