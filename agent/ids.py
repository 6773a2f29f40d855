"""The source of identifiers and of seeds: the one module that asks the system for randomness."""

from __future__ import annotations

import os
import random
from collections.abc import Callable

from agent.clock import Clock

# Crockford's base 32: no I, L, O or U, so an id survives being read aloud or typed.
_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_TIME_DIGITS = 10
_RANDOM_BYTES = 10

Entropy = Callable[[int], bytes]
"""Returns that many random bytes; `os.urandom` outside tests."""


def new_id(prefix: str, *, now_ms: int, entropy: Entropy) -> str:
    """Return `prefix_` and 26 base-32 digits: 48 bits of `now_ms`, then 80 random bits (as a ULID).

    Ids of one prefix sort by the millisecond they were made in.
    """
    assert prefix.isalpha(), prefix
    assert prefix.islower(), prefix
    number = ((now_ms & (1 << 48) - 1) << 80) | int.from_bytes(entropy(_RANDOM_BYTES), "big")
    digits = [_ALPHABET[number >> shift & 31] for shift in range(125, -1, -5)]
    return f"{prefix}_{''.join(digits)}"


class IdSource:
    """Makes ids, and the random generators that jitter and back-off draw from."""

    def __init__(self, clock: Clock, entropy: Entropy = os.urandom) -> None:
        self._clock = clock
        self._entropy = entropy

    def new_id(self, prefix: str) -> str:
        """Return a new id such as `ro_01jd3...`; see `new_id` for its form."""
        return new_id(prefix, now_ms=self._clock.now_ms(), entropy=self._entropy)

    def token_bytes(self, count: int) -> bytes:
        """Return `count` bytes nobody can guess, for tokens, salts and keys."""
        return self._entropy(count)

    def new_random(self) -> random.Random:
        """Return a generator seeded from the system, for jitter and never for secrets."""
        return random.Random(int.from_bytes(self._entropy(16), "big"))
