"""Slowing down whoever guesses passwords: exponential back-off per account and per address.

An attempt is counted when it is let in and taken back when it succeeds, so that a hundred attempts at once
get no further than one after the other. Refused attempts do not count. Whoever goes on guessing keeps others
waiting for an account for as long as they do; so an address from which the account has logged in lately is
counted by itself, and its owner waits for nobody else's guesses (the idea of OWASP's device cookies). Each
node counts for itself, best effort; the password rules carry the rest.
"""

from __future__ import annotations

import hashlib
import ipaddress
from collections import OrderedDict
from dataclasses import dataclass
from itertools import islice

from cluster.identity.refusal import in_words

_EVICTION_CANDIDATES = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class BackOff:
    """How many failures are free, and how the delay grows after them.

    The delay after failure `free + n` is `first_delay_ms * 2^(n-1)`, at most `delay_max_ms`. One failure is
    forgotten for each `forget_ms` without an attempt.
    """

    free: int
    first_delay_ms: int
    delay_max_ms: int
    forget_ms: int

    def delay_ms(self, failures: int) -> int:
        """Return how long the next attempt waits after this many failures."""
        excess = failures - self.free
        if excess <= 0:
            return 0
        # 2^40 ms is 35 years: the cap always comes first, and the number stays small.
        return min(self.first_delay_ms << min(excess - 1, 40), self.delay_max_ms)


ACCOUNT_BACK_OFF = BackOff(free=5, first_delay_ms=1_000, delay_max_ms=15 * 60_000, forget_ms=15 * 60_000)
# Many people can share one address, so it has more free failures.
ADDRESS_BACK_OFF = BackOff(free=20, first_delay_ms=1_000, delay_max_ms=5 * 60_000, forget_ms=60_000)


@dataclass(frozen=True, slots=True, kw_only=True)
class Throttled:
    """Try again later. The same words whether the account exists or not."""

    retry_after_ms: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How often a login of one account failed at this node lately, and how long strangers wait for it."""

    failures: int
    wait_ms: int


@dataclass(slots=True)
class _Count:
    failures: int
    last_ms: int


class LoginThrottle:
    """The counts of one node, at most `capacity` accounts and as many addresses; not for several threads."""

    def __init__(
        self,
        *,
        account: BackOff = ACCOUNT_BACK_OFF,
        address: BackOff = ADDRESS_BACK_OFF,
        capacity: int = 10_000,
    ) -> None:
        self._accounts = _Table(account, capacity)
        self._addresses = _Table(address, capacity)

    def admit(
        self, *, account: str, address: str, now_ms: int, is_familiar: bool = False
    ) -> Throttled | None:
        """Return None and count the attempt as failed, or how long to wait; before checking the password.

        `is_familiar`: the account has logged in from this address lately.
        """
        account_key, address_key = _key_of(account, address, is_familiar), address_key_of(address)
        wait_ms = max(
            self._accounts.wait_ms(account_key, now_ms),
            self._addresses.wait_ms(address_key, now_ms),
        )
        if wait_ms > 0:
            return Throttled(
                retry_after_ms=wait_ms,
                reason=f"too many failed logins; try again in {in_words(wait_ms + 999)}",
            )
        self._accounts.count(account_key, now_ms)
        self._addresses.count(address_key, now_ms)
        return None

    def succeeded(self, *, account: str, address: str, is_familiar: bool = False) -> None:
        """Forget the account's failures, and of the address's only this attempt."""
        self._accounts.forget(_key_of(account, address, is_familiar))
        self._addresses.take_back(address_key_of(address))

    def half_succeeded(self, *, account: str, address: str, is_familiar: bool = False) -> None:
        """Take back this attempt alone: the password was right, and a code is to follow.

        With all failures forgotten, whoever has the password could guess codes without end.
        """
        self._accounts.take_back(_key_of(account, address, is_familiar))
        self._addresses.take_back(address_key_of(address))

    def standing(self, account: str, now_ms: int) -> Standing:
        """Return what is counted of an account from addresses it is not used to."""
        key = _key_of(account, "", False)
        return Standing(
            failures=self._accounts.failures(key, now_ms), wait_ms=self._accounts.wait_ms(key, now_ms)
        )

    def clear(self, account: str) -> None:
        """Forget an account's failures: an administrator says so."""
        self._accounts.forget(_key_of(account, "", False))

    @property
    def size(self) -> int:
        """How many accounts and addresses are counted."""
        return len(self._accounts) + len(self._addresses)


class _Table:
    def __init__(self, back_off: BackOff, capacity: int) -> None:
        self._back_off = back_off
        self._capacity = capacity
        self._counts: OrderedDict[bytes, _Count] = OrderedDict()

    def __len__(self) -> int:
        return len(self._counts)

    def wait_ms(self, key: bytes, now_ms: int) -> int:
        count = self._counts.get(key)
        if count is None:
            return 0
        # A clock that was set back makes nobody wait longer than the delay itself.
        elapsed_ms = max(0, now_ms - count.last_ms)
        return max(0, self._back_off.delay_ms(count.failures) - elapsed_ms)

    def failures(self, key: bytes, now_ms: int) -> int:
        count = self._counts.get(key)
        if count is None:
            return 0
        return max(0, count.failures - max(0, now_ms - count.last_ms) // self._back_off.forget_ms)

    def count(self, key: bytes, now_ms: int) -> None:
        count = self._counts.get(key)
        if count is None:
            if len(self._counts) >= self._capacity:
                self._evict()
            self._counts[key] = _Count(failures=1, last_ms=now_ms)
            return
        forgotten = max(0, now_ms - count.last_ms) // self._back_off.forget_ms
        count.failures = max(0, count.failures - forgotten) + 1
        count.last_ms = now_ms
        self._counts.move_to_end(key)

    def take_back(self, key: bytes) -> None:
        count = self._counts.get(key)
        if count is None:
            return
        count.failures -= 1
        if count.failures <= 0:
            del self._counts[key]

    def forget(self, key: bytes) -> None:
        self._counts.pop(key, None)

    def _evict(self) -> None:
        # Of the oldest few the least guilty: fresh names do not push out the account under attack.
        oldest = islice(self._counts.items(), _EVICTION_CANDIDATES)
        key, _ = min(oldest, key=lambda entry: entry[1].failures)
        del self._counts[key]


def _key_of(account: str, address: str, is_familiar: bool) -> bytes:
    # A digest, so that long names take no more memory than short ones.
    name = account.strip().casefold().encode("utf-8", "replace")
    own = b"\x00" + address_key_of(address) if is_familiar else b""
    return hashlib.sha256(name + own).digest()[:16]


def address_key_of(address: str) -> bytes:
    """Return what counts as one address: one of IPv4, or a /64 of IPv6, which one customer has alone."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return b"?" + hashlib.sha256(address.encode("utf-8", "replace")).digest()[:16]
    if isinstance(parsed, ipaddress.IPv6Address):
        return parsed.ipv4_mapped.packed if parsed.ipv4_mapped is not None else parsed.packed[:8]
    return parsed.packed
