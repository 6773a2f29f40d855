"""Docker's words for how long a container has been as it is, brought up to date. Pure.

A list says "Up Less than a second" and is true for that long; the next list may be a minute away. The words
are those of Docker's units.HumanDuration.
"""

from __future__ import annotations

import re

_STATUS = re.compile(
    r"(?P<before>Up|Exited \(\d+\)|Restarting \(\d+\)) "
    r"(?P<time>Less than a second|About a minute|\d+ seconds?|\d+ minutes)"
    r"(?P<after>(?: ago)?(?: \([^()]*\))?)"
)


def aged(status: str, age_s: float) -> str:
    """Return `status` as Docker would word it `age_s` later; text of another form is left as it is.

    From an hour on Docker's words are too coarse for the age of a list to matter.
    """
    found = _STATUS.fullmatch(status)
    if found is None:
        return status
    return f"{found['before']} {_words(_seconds(found['time']) + age_s)}{found['after']}"


def _seconds(words: str) -> int:
    if words == "Less than a second":
        return 0
    if words == "About a minute":
        return 60
    count, unit = words.split()
    return int(count) * (60 if unit == "minutes" else 1)


def _words(seconds: float) -> str:
    whole = int(seconds)
    if whole < 1:
        return "Less than a second"
    if whole == 1:
        return "1 second"
    if whole < 60:
        return f"{whole} seconds"
    minutes = whole // 60
    if minutes == 1:
        return "About a minute"
    return f"{minutes} minutes" if minutes < 60 else "About an hour"
