"""Docker's error texts to our failures. Pure.

The engine tells kinds of failure apart by status and by prose that differs between versions and
registries; the patterns here are those of Docker 20.10 to 29 and of the registry clients in them.
"""

from __future__ import annotations

import re

from agent.ports import (
    ContainerNotFound,
    EngineRefused,
    ImageNotFound,
    PortTaken,
    PullRefused,
    PullRefusedReason,
)

_PORT = re.compile(r"(?:Bind for|listen (?:tcp|udp)\d?) \S*?:(\d+)(?::| failed)")

_MISSING_IMAGE = re.compile(
    r"no such image|manifest unknown|name unknown|repository \S+ not found|: not found$",
    re.IGNORECASE,
)

_PULL_REASONS: tuple[tuple[PullRefusedReason, re.Pattern[str], str], ...] = tuple(
    (reason, re.compile(pattern, re.IGNORECASE), words)
    for reason, pattern, words in (
        (
            PullRefusedReason.RATE_LIMITED,
            r"toomanyrequests|rate limit|429 Too Many Requests",
            "the registry limits how much may be pulled; wait, or log in",
        ),
        (
            PullRefusedReason.AUTH,
            r"pull access denied|no basic auth credentials|unauthorized|authentication required|denied:"
            r"|incorrect username or password|403 Forbidden",
            "the registry wants a login that may read this image, or has no such image",
        ),
        (
            PullRefusedReason.PLATFORM,
            r"no matching manifest for|does not match the specified platform|no match for platform"
            r"|image operating system",
            "the image was not built for this host's platform",
        ),
        (
            PullRefusedReason.DISK_FULL,
            r"no space left on device|disk quota exceeded",
            "the disk of this host is full; `docker system df` shows what takes it",
        ),
        (
            PullRefusedReason.TLS,
            r"x509|tls:|certificate|server gave HTTP response to HTTPS client",
            "the registry's certificate is not trusted by this host's Docker",
        ),
        (
            PullRefusedReason.UNREACHABLE,
            r"dial tcp|no such host|connection refused|i/o timeout|request canceled|network is unreachable"
            r"|EOF$|connection reset|Client\.Timeout|no route to host|deadline exceeded",
            "this host cannot reach the registry",
        ),
    )
)


def refusal(status: int, message: str) -> EngineRefused:
    """Return the failure for a refused request on a container."""
    text = tidy(message)
    if status == 404 and "no such container" in text.lower():
        return ContainerNotFound(text, status=status)
    if status == 404 and text.lower().startswith("no such image"):
        return ImageNotFound(text, status=status)
    if "port is already allocated" in text or "address already in use" in text:
        match = _PORT.search(text)
        port = int(match[1]) if match else None
        which = f"port {port}" if port is not None else "a published port"
        return PortTaken(f"{which} is already in use on this host: {text}", status=status, port=port)
    return EngineRefused(text, status=status)


def pull_refusal(
    ref: str, status: int, message: str, *, registry: str = "", username: str = ""
) -> EngineRefused:
    """Return the failure for a refused pull of `ref`, made with the login of `username` where there is
    one.
    """
    text = tidy(message)
    if _MISSING_IMAGE.search(text):
        return ImageNotFound(f"no image {ref} in the registry ({text})", status=status)
    for reason, pattern, words in _PULL_REASONS:
        if pattern.search(text):
            if reason is PullRefusedReason.AUTH and registry:
                words = _why_not_let_in(registry, username)
            return PullRefused(f"cannot pull {ref}: {words} ({text})", status=status, reason=reason)
    if status == 404:
        return ImageNotFound(f"no image {ref} in the registry ({text})", status=status)
    return PullRefused(f"cannot pull {ref}: {text}", status=status, reason=PullRefusedReason.OTHER)


def login_refusal(registry: str, status: int, message: str, *, username: str) -> PullRefused:
    """Return the failure for a login that was tried and not taken, or could not be tried."""
    text = tidy(message)
    for reason, pattern, words in _PULL_REASONS:
        if reason is PullRefusedReason.AUTH and (status == 401 or pattern.search(text)):
            words = f"registry {registry} refused user {username}"
        elif not pattern.search(text):
            continue
        return PullRefused(f"{words} ({text})", status=status, reason=reason)
    return PullRefused(text, status=status, reason=PullRefusedReason.OTHER)


def _why_not_let_in(registry: str, username: str) -> str:
    login = f"`tower registry login {registry}`"
    if username:
        return f"registry {registry} refused user {username}; {login} gives it another login"
    return f"registry {registry} wants a login that may read this image, or has no such image; {login}"


def tidy(message: str) -> str:
    """Return the engine's message on one line, bounded, or a stand-in for none."""
    text = " ".join(message.split())[:1000]
    return text or "the engine gave no reason"
