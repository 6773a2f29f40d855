"""Identity providers (OpenID Connect): who else may say who somebody is, and what that makes of them here."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from cluster.model import rules
from cluster.model.access import Role

PROVIDERS_MAX = 8
GROUP_ROLES_MAX = 64
AUDIENCE_CHARS_MAX = 256
SCOPES_MAX = 16
CA_CHARS_MAX = 64 * 1024
SUBJECT_CHARS_MAX = 255
"""OpenID Connect Core, section 2: `sub` is at most 255 characters."""

_SCOPE = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]{1,128}")
"""RFC 6749, 3.3."""
_CLAIM_PATH = re.compile(r"[^\x00-\x1f\x7f]{1,256}")
_SUBJECT_KEY = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupRole:
    """Members of this group of the provider get this role."""

    group: str
    role: Role


@dataclass(frozen=True, slots=True, kw_only=True)
class SignInProvider:
    """One provider. `label` is what the login button says.

    `groups_claim` and `name_claim` are paths into the ID token's claims, with dots between:
    `realm_access.roles`. A claim whose own name has dots is found by its whole name first. `roles` is all
    that gives a role: whoever is in none of its groups is not let in. `ca_pem` is trusted for this provider
    besides what the host trusts.

    `token_audience` is what an access token of the provider has to be for, to be taken by the MCP endpoint;
    "": none is.
    """

    id: str
    label: str
    issuer: str
    client_id: str
    sealed_secret: bytes = field(default=b"", repr=False)
    scopes: tuple[str, ...] = ("openid", "profile", "email")
    groups_claim: str = "groups"
    name_claim: str = "preferred_username"
    roles: tuple[GroupRole, ...] = ()
    ca_pem: str = field(default="", repr=False)
    version: int = 0
    changed_at_ms: int = 0
    changed_by: str = ""
    token_audience: str = ""


def check_provider(provider: SignInProvider) -> None:
    """Raises ValueError naming the field, the value and the rule."""
    rules.check_name("id", provider.id)
    rules.check_text("label", provider.label, 64, chars_min=1)
    check_issuer(provider.issuer)
    rules.check_text("client_id", provider.client_id, 256, chars_min=1)
    rules.check_count("scopes", provider.scopes, SCOPES_MAX)
    for scope in provider.scopes:
        if not _SCOPE.fullmatch(scope):
            raise ValueError(f"scopes {scope[:40]!r}: printable characters without spaces, quotes, backslash")
    if "openid" not in provider.scopes:
        raise ValueError("scopes: openid is needed, or the provider says nothing of who somebody is")
    for name, path in (("groups_claim", provider.groups_claim), ("name_claim", provider.name_claim)):
        if not _CLAIM_PATH.fullmatch(path):
            raise ValueError(f"{name} {path[:40]!r}: the claim's name, or a path such as realm_access.roles")
    rules.check_count("roles", provider.roles, GROUP_ROLES_MAX)
    groups = [each.group for each in provider.roles]
    for group in groups:
        rules.check_text("roles group", group, 256, chars_min=1)
    if len(set(groups)) != len(groups):
        raise ValueError("roles: a group is named twice")
    rules.check_text("ca_pem", provider.ca_pem, CA_CHARS_MAX)
    _check_audience(provider)


def _check_audience(provider: SignInProvider) -> None:
    audience = provider.token_audience
    rules.check_text("token_audience", audience, AUDIENCE_CHARS_MAX)
    if audience != audience.strip():
        raise ValueError("token_audience: without spaces at its ends, as the provider writes it into tokens")
    if audience == provider.client_id:
        # Or the ID token of a login, which proves less, could pass for an access token.
        raise ValueError(
            "token_audience: is the client id, which ID tokens are for; register this cluster's MCP endpoint"
            " at the provider as an audience of its own"
        )


def check_issuer(issuer: str) -> None:
    """An issuer is an https URL without query and fragment (OpenID Connect Discovery 1.0, 3)."""
    wanted = f"issuer {issuer[:80]!r}: an https URL, such as https://login.example.com/realms/ops"
    if len(issuer) > 1024 or not issuer.isascii() or not issuer.isprintable():
        raise ValueError(wanted)
    try:
        parts = urlsplit(issuer)
        is_usable = parts.scheme == "https" and bool(parts.hostname) and parts.port != 0
    except ValueError as error:
        raise ValueError(wanted) from error
    if not is_usable:
        raise ValueError(wanted)
    if parts.query or parts.fragment or parts.username is not None or " " in issuer:
        raise ValueError(f"issuer {issuer[:80]!r}: without user, query and fragment")


def role_of(groups: Iterable[str], provider: SignInProvider) -> Role | None:
    """Return the most that these groups give, None when they give nothing."""
    held = set(groups)
    given = [each.role for each in provider.roles if each.group in held]
    return max(given, key=lambda role: role.rank, default=None)


def subject_key(issuer: str, subject: str) -> str:
    """Return what an account is found by: a subject means one person at one issuer alone."""
    return hashlib.sha256(f"{issuer}\x00{subject}".encode("utf-8", "replace")).hexdigest()


def check_subject_key(value: str) -> None:
    """Raises ValueError."""
    if not _SUBJECT_KEY.fullmatch(value):
        raise ValueError("subject key: 64 hexadecimal digits are needed")


def provider_secret_context(provider_id: str, issuer: str) -> str:
    """The place a client secret is sealed for: it goes to no other issuer."""
    return f"sign-in-provider/{provider_id}/{issuer}"
