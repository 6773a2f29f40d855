"""People's passwords: Argon2id (RFC 9106) with OWASP's floor of 19 MiB, two passes, one lane.

Hashing takes about 35 ms of one core and 19 MiB, and lets other threads run meanwhile: callers run it in a
worker thread, a few at a time. `cryptography` has Argon2id, so no second library does it.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from enum import StrEnum

from cryptography.exceptions import InvalidKey
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

from cluster.identity.refusal import Refused

PASSWORD_CHARACTERS_MIN = 12
PASSWORD_BYTES_MAX = 1024
SALT_BYTES = 16
_HASH_BYTES = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Argon2Cost:
    """What one hash costs: memory, passes over it, lanes."""

    memory_kib: int
    passes: int
    lanes: int


CURRENT_COST = Argon2Cost(memory_kib=19_456, passes=2, lanes=1)

_PHC = re.compile(
    r"\$argon2id\$v=19\$m=(\d{1,7}),t=(\d{1,3}),p=(\d{1,2})\$[A-Za-z0-9+/]{11,86}\$[A-Za-z0-9+/]{22,86}"
)

# Random bytes that were not kept, hashed at CURRENT_COST: an unknown user takes as long as a wrong password.
_NOBODY = "$argon2id$v=19$m=19456,t=2,p=1$CNrQ8Bc6XFDXgRYHOQiOYQ$xf96iOdC3cTBn3fKvhdroFgHK0Wm4PaBAwgD+1fSTnE"

# Words that everybody who has to reach twelve characters lengthens with digits and signs.
_COMMON_WORDS_TEXT = """
abc abcd abcdef abcdefg abcdefgh abcdefghijkl admin administrator admins asdf asdfgh asdfghjkl
autumn azerty azertyuiop baseball batman changeit changeme changemeplease changethis charlie cluster
computer containers controltower correcthorse correcthorsebatterystaple default docker dockerdocker
donald dragon email football freedom fuckyou guest hello helloworld hunter iloveyou internet
jennifer jordan killer letmein letmeinplease login love lovely manager master michael monkey mustang
mypassword mypasswordis ninja nopassword operator pass passphrase passw passwd password
passwordpassword please pokemon princess qazwsx qazwsxedc qwerty qwertyqwerty qwertyuiop
qwertyuiopasdfghjkl root rootroot samsung secret secretpassword security server shadow soccer spring
starwars summer sunshine superman superuser supervisor sysadmin system temp temporary temppassword
test testing testtest thisisapassword toor tower trustno user username welcome welcomewelcome
whatever winter zaq zaqwsx zaqxsw zxcvbn zxcvbnm zxcvbnmasdfghjkl
"""
_COMMON_WORDS = frozenset(_COMMON_WORDS_TEXT.split())
_SUBSTITUTES = str.maketrans("@4301!5$7", "aaeoiisst")
_ENDS = re.compile(r"^[\W\d_]+|[\W\d_]+$")
_RUNS = (
    "01234567890123456789",
    "abcdefghijklmnopqrstuvwxyz",
    "qwertyuiopasdfghjklzxcvbnm",
    "qazwsxedcrfvtgbyhnujmikolp",
)


class PasswordRefusal(StrEnum):
    """Why a password may not be chosen."""

    TOO_SHORT = "too_short"
    TOO_LONG = "too_long"
    NOT_TEXT = "not_text"
    COMMON = "common"
    PREDICTABLE = "predictable"
    ABOUT_THE_ACCOUNT = "about_the_account"


@dataclass(frozen=True, slots=True, kw_only=True)
class PasswordCheck:
    """Whether the password is right, and whether its hash should be made anew at today's cost."""

    matches: bool
    needs_rehash: bool


def check_new_password(password: str, *, account: str) -> Refused[PasswordRefusal] | None:
    """Return why this password may not be chosen, or None. Never quotes the password.

    Length decides, as NIST SP 800-63B asks: any characters, spaces included, none required; a phrase of four
    words is the easiest way. Refused are the few patterns that people who are made to reach twelve type.
    """
    text = unicodedata.normalize("NFKC", password)
    try:
        size_bytes = len(text.encode())
    except UnicodeEncodeError:
        return _refused(PasswordRefusal.NOT_TEXT, "holds characters that are not text")
    if len(text) < PASSWORD_CHARACTERS_MIN:
        return _refused(
            PasswordRefusal.TOO_SHORT,
            f"has {len(text)} characters and needs {PASSWORD_CHARACTERS_MIN}; use four unrelated words",
        )
    if size_bytes > PASSWORD_BYTES_MAX:
        return _refused(
            PasswordRefusal.TOO_LONG, f"has {size_bytes} bytes; at most {PASSWORD_BYTES_MAX} are read"
        )
    lowered = text.casefold()
    letters = _letters(lowered)
    # The digits and signs at both ends were added for length; those inside stand for letters.
    core = _ENDS.sub("", lowered).translate(_SUBSTITUTES)
    if letters in _COMMON_WORDS or _letters(core) in _COMMON_WORDS:
        return _refused(
            PasswordRefusal.COMMON,
            "is a common word with digits or signs, and is guessed first; use four unrelated words",
        )
    if _is_predictable(lowered):
        return _refused(
            PasswordRefusal.PREDICTABLE,
            "is a run or a repetition of few characters; use four unrelated words",
        )
    name = _letters(account.casefold().partition("@")[0])
    if len(name) >= 3 and len(letters.replace(name, "")) < 4:
        return _refused(PasswordRefusal.ABOUT_THE_ACCOUNT, "is little more than the account's name")
    return None


def hash_password(password: str, *, salt: bytes, cost: Argon2Cost = CURRENT_COST) -> str:
    """Return the hash to keep, in PHC form. Slow by design; `salt` is 16 random bytes."""
    assert len(salt) == SALT_BYTES, "a salt is 16 random bytes"
    argon = Argon2id(
        salt=salt, length=_HASH_BYTES, iterations=cost.passes, lanes=cost.lanes, memory_cost=cost.memory_kib
    )
    return argon.derive_phc_encoded(_to_bytes(password))


def verify_password(password: str, stored: str | None, *, today: Argon2Cost = CURRENT_COST) -> PasswordCheck:
    """Return whether `password` is the one kept as `stored`. Total; slow by design.

    None, an unknown user, takes as long as a wrong password. A hash that cannot be read matches nothing.
    `today` is what a hash that is made now costs.
    """
    size_bytes = len(_to_bytes(password))
    cost = _read_cost(stored) if stored is not None else None
    phc = stored if stored is not None and cost is not None and size_bytes <= PASSWORD_BYTES_MAX else _NOBODY
    try:
        Argon2id.verify_phc_encoded(_to_bytes(password)[:PASSWORD_BYTES_MAX], phc)
    except (InvalidKey, ValueError):
        return PasswordCheck(matches=False, needs_rehash=False)
    matches = phc is not _NOBODY
    return PasswordCheck(matches=matches, needs_rehash=matches and cost != today)


def _read_cost(phc: str) -> Argon2Cost | None:
    match = _PHC.fullmatch(phc)
    if match is None:
        return None
    memory_kib, passes, lanes = (int(group) for group in match.groups())
    # A damaged record must not make a login take a gigabyte.
    if memory_kib > 1 << 20 or passes > 64 or lanes > 16:
        return None
    return Argon2Cost(memory_kib=memory_kib, passes=passes, lanes=lanes)


def _to_bytes(password: str) -> bytes:
    # NFKC, so that the same keys typed on two systems make the same bytes.
    return unicodedata.normalize("NFKC", password).encode("utf-8", "surrogatepass")


def _letters(text: str) -> str:
    return "".join(character for character in text if character.isalpha())


def _is_predictable(text: str) -> bool:
    if len(set(text)) < 5:
        return True
    squeezed = "".join(text.split())
    for period in range(1, len(squeezed) // 2 + 1):
        if squeezed == (squeezed[:period] * len(squeezed))[: len(squeezed)] and period < 6:
            return True
    return any(squeezed in run or squeezed in run[::-1] for run in _RUNS)


def _refused(code: PasswordRefusal, what: str) -> Refused[PasswordRefusal]:
    return Refused(code=code, reason=f"the password {what}")
