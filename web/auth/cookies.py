"""The cookies of a browser's login.

`__Host-` keeps other hosts and plain HTTP from setting or getting them; SameSite=Strict keeps other sites'
pages from having them sent; none can be read by scripts. The refresh cookie goes to the login routes alone.
"""

from __future__ import annotations

from aiohttp import web

ACCESS = "__Host-tower_access"
REFRESH = "__Secure-tower_refresh"
CSRF = "__Host-tower_csrf"
REFRESH_PATH = "/api/v1/auth"
CSRF_HEADER = "X-CSRF-Token"
SIGN_IN = "__Host-tower_sign_in"


def set_login(
    response: web.StreamResponse, *, access: str, access_s: int, refresh: str, refresh_s: int, csrf: str
) -> None:
    """Give the browser a login."""
    _set(response, ACCESS, access, max_age_s=access_s)
    _set(response, REFRESH, refresh, max_age_s=refresh_s, path=REFRESH_PATH)
    _set(response, CSRF, csrf, max_age_s=refresh_s)


def set_csrf(response: web.StreamResponse, csrf: str, *, max_age_s: int) -> None:
    """Give the browser a CSRF token alone."""
    _set(response, CSRF, csrf, max_age_s=max_age_s)


def set_sign_in(response: web.StreamResponse, ticket: str, *, max_age_s: int) -> None:
    """Give the browser what it brings back from an identity provider; "" takes it away.

    Lax, because it comes back from another site; it proves nothing without that site's answer.
    """
    response.set_cookie(
        SIGN_IN,
        ticket,
        max_age=max_age_s if ticket else 0,
        path="/",
        secure=True,
        httponly=True,
        samesite="Lax",
    )


def clear_login(response: web.StreamResponse) -> None:
    """Take the login from the browser."""
    for name, path in ((ACCESS, "/"), (REFRESH, REFRESH_PATH), (CSRF, "/")):
        _set(response, name, "", max_age_s=0, path=path)


def _set(response: web.StreamResponse, name: str, value: str, *, max_age_s: int, path: str = "/") -> None:
    response.set_cookie(
        name, value, max_age=max_age_s, path=path, secure=True, httponly=True, samesite="Strict"
    )
