"""What a browser or program says it is, in a few coarse words: enough to tell one's own logins apart.

`User-Agent` is whatever its sender likes, so this decides nothing. Order matters: most browsers claim to be
several others too.
"""

from __future__ import annotations

from dataclasses import dataclass

_BROWSERS = (
    ("Edg/", "Edge"),
    ("EdgA/", "Edge"),
    ("OPR/", "Opera"),
    ("SamsungBrowser/", "Samsung Internet"),
    ("Firefox/", "Firefox"),
    ("FxiOS/", "Firefox"),
    ("CriOS/", "Chrome"),
    ("HeadlessChrome/", "Chrome"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
    ("tower/", "tower (command line)"),
    ("curl/", "curl"),
    ("python-requests/", "Python"),
    ("Python-urllib/", "Python"),
    ("Python/", "Python"),
    ("Go-http-client/", "Go"),
)
_SYSTEMS = (
    ("Windows", "Windows"),
    ("iPhone", "iOS"),
    ("iPad", "iPadOS"),
    ("Android", "Android"),
    ("CrOS", "ChromeOS"),
    ("Mac OS X", "macOS"),
    ("Linux", "Linux"),
)
_MOBILE = ("iPhone", "Android", "Mobile")


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """`browser` and `system` are "" where it does not say. `kind` is desktop, mobile or program."""

    browser: str
    system: str
    kind: str


def device_of(user_agent: str) -> Device:
    """Return what `User-Agent` says."""
    browser = next((name for mark, name in _BROWSERS if mark in user_agent), "")
    system = next((name for mark, name in _SYSTEMS if mark in user_agent), "")
    if not user_agent.startswith("Mozilla/"):
        return Device(browser=browser, system=system, kind="program")
    kind = "mobile" if any(mark in user_agent for mark in _MOBILE) else "desktop"
    return Device(browser=browser, system=system, kind=kind)
