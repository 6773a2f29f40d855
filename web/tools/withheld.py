"""Secrets in text that programs read: ours, and those that can be told by their form. Pure.

A secret of another form stays: whoever may read logs may read what is in them. This keeps those that are
recognised out of conversations, which are kept elsewhere.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from cluster.identity.redaction import redact

WITHHELD = "[redacted]"

_FORMS = re.compile(
    r"(?P<pem>-----BEGIN [A-Z ]{0,20}PRIVATE KEY-----)[A-Za-z0-9+/=\s\\]+"
    r"(?:-----END [A-Z ]{0,20}PRIVATE KEY-----)?"
    r"|(?P<authorization>\bauthorization[\"']?\s{0,3}[:=]\s{0,3}[\"']?(?:basic\s+|bearer\s+|token\s+)?)"
    r"[^\s\"',]{8,}"
    r"|(?P<bearer>\bbearer\s+)(?=\S{0,64}[0-9])[A-Za-z0-9._~+/=-]{16,}"
    r"|(?P<jwt>\beyJ[A-Za-z0-9_-]{8,}\.)eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{16,}"
    r"|(?P<aws>\b(?:AKIA|ASIA))[A-Z0-9]{16}\b"
    r"|(?P<github>\b(?:gh[pousr]|github_pat)_)[A-Za-z0-9_]{20,}"
    r"|(?P<gitlab>\bglpat-)[A-Za-z0-9_-]{16,}"
    r"|(?P<slack>\bxox[abprs]-)[A-Za-z0-9-]{10,}"
    r"|(?P<key>\b(?:sk-(?:ant|proj)-|sk-(?=[A-Za-z0-9]{20})|[spr]k_(?:live|test)_))[A-Za-z0-9_-]{16,}"
    r"|(?P<url>://[^\s/:@]{0,128}:)[^\s/@]{1,256}(?=@)"
    # `secret:name` is how resources are named here, and no secret.
    r"|(?P<named>(?:password|passwd|secret|api[_-]?key|access[_-]?key|auth[_-]?token)"
    r"(?:\s{0,3}=\s{0,3}[\"']?|[\"']\s{0,3}:\s{0,3}[\"']|:\s{1,3}[\"']?))(?!\[redacted\])[^\s\"',;&}]{4,}",
    re.IGNORECASE,
)


def withhold(text: str) -> str:
    """Return `text` with what is recognised as a secret replaced by `[redacted]`."""
    return _FORMS.sub(lambda match: f"{match.group(match.lastgroup or 0)}{WITHHELD}", redact(text))


def withhold_all(value: Any) -> Any:
    """Return JSON values with `withhold` done to every text in them."""
    if isinstance(value, str):
        return withhold(value)
    if isinstance(value, Mapping):
        return {key: withhold_all(each) for key, each in value.items()}
    if isinstance(value, list):
        return [withhold_all(each) for each in value]
    return value
