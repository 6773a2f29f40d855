"""Whether a browser's request comes from our own page.

A browser sends our cookies with requests that other sites cause, and says in `Origin` who caused them.
Programs send tokens of their own accord and no Origin, so nothing is asked of them.
"""

from __future__ import annotations

from ipaddress import ip_address
from urllib.parse import urlsplit


def is_own_origin(origin: str, *, host: str, public_origins: tuple[str, ...]) -> bool:
    """Whether `origin` is the page this server sent: the host that was asked, or a configured address.

    That the host is the one asked suffices: cookies go only to the host they were set by, so a name that was
    rebound to this address brings none.
    """
    if _is_public(origin, public_origins):
        return True
    try:
        parts = urlsplit(_normal(origin))
        port = parts.port
    except ValueError:
        return False
    if parts.scheme not in ("https", "http") or not parts.hostname or parts.path or parts.query:
        return False
    default = 443 if parts.scheme == "https" else 80
    return _host_and_port(host, default) == (parts.hostname, port or default)


def may_be_rebound(origin: str, *, host: str, public_origins: tuple[str, ...]) -> bool:
    """Whether the page of `origin` may be one whose name its owner has led to this address since.

    Names that this cluster is reached under are not known to it; addresses and localhost are nobody's to lead
    elsewhere, and configured origins are ours. That is too strict for pages with cookies, which a rebound
    name does not get, and right where a page has no business but our own (MCP's transports).
    """
    if _is_public(origin, public_origins):
        return False
    found = _host_and_port(host, 0)
    if found is None:
        return True
    name, _ = found
    if name == "localhost" or name.endswith(".localhost"):
        return False
    try:
        ip_address(name.partition("%")[0])
    except ValueError:
        return True
    return False


def refuse_foreign(
    *, origin: str | None, fetch_site: str | None, host: str, public_origins: tuple[str, ...]
) -> str | None:
    """Return why a request with cookies is not trusted to come from our page, or None."""
    if origin is not None:
        if is_own_origin(origin, host=host, public_origins=public_origins):
            return None
        return "the request comes from another site's page"
    if fetch_site == "same-origin":
        return None
    return "the request does not say which page it comes from"


def _normal(origin: str) -> str:
    return origin.rstrip("/").lower()


def _is_public(origin: str, public_origins: tuple[str, ...]) -> bool:
    return _normal(origin) in map(_normal, public_origins)


def _host_and_port(host: str, default_port: int) -> tuple[str, int] | None:
    try:
        parts = urlsplit(f"//{host.lower()}")
        if not parts.hostname:
            return None
        return parts.hostname, parts.port or default_port
    except ValueError:
        return None
