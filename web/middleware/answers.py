"""Bodies of answers: their tags (RFC 9110, 8.8.3), their compressed forms, and answering "not changed".

A tag is `"<digest>"`, or `"<version>-<digest>"` of what has a version, and ends in the coding a form was
compressed with, since each form is a representation of its own. Who asks with any of them means the content.
"""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import re
from functools import lru_cache
from typing import Literal, NamedTuple

import brotli  # type: ignore[import-untyped]  # it ships no types
from aiohttp import web

COMPRESS_FROM_BYTES = 1400
"""What fits into one packet gains nothing."""
THREAD_FROM_BYTES = 64 * 1024
"""Compressing more than this takes milliseconds, in which others want the loop."""

NO_STORE = "no-store"
REVALIDATED = "private, no-cache"
"""A browser may keep it for its user, and asks each time whether it still holds."""
PUBLIC = "no-cache"
"""The same for everybody, and asked for again each time."""

Coding = Literal["", "br", "gzip"]


class _Levels(NamedTuple):
    br: int
    gzip: int


_LEVELS = _Levels(br=4, gzip=5)
# The highest qualities take seconds for a megabyte, and gain a few percent.
_LASTING_LEVELS = _Levels(br=9, gzip=9)
_TAG = re.compile(r'(W/)?"((?:(\d{1,16})-)?([0-9a-f]{24})?(?:-(?:br|gzip))?)"')


class Content:
    """A body that may be answered many times. Compressed forms are made when they are first asked for.

    `is_compressible` false: pictures and fonts are compressed already. `is_lasting`: made once and sent for
    weeks, so that it is worth being compressed well.
    """

    __slots__ = ("_forms", "body", "digest", "is_compressible", "is_lasting", "media_type", "version")

    def __init__(
        self,
        body: bytes,
        *,
        media_type: str = "application/json",
        version: int | None = None,
        is_compressible: bool = True,
        is_lasting: bool = False,
    ) -> None:
        self.body = body
        self.media_type = media_type
        self.version = version
        self.is_compressible = is_compressible
        self.is_lasting = is_lasting
        self.digest = hashlib.blake2b(body, digest_size=12).hexdigest()
        self._forms: dict[Coding, bytes] = {}

    def tag(self, coding: Coding = "") -> str:
        """Return the entity tag of a form."""
        version = "" if self.version is None else f"{self.version}-"
        return f'"{version}{self.digest}-{coding}"' if coding else f'"{version}{self.digest}"'

    def is_known(self, header: str) -> bool:
        """Whether an If-None-Match header names this content, in whatever form."""
        if header.strip() == "*":
            return True
        return any(match[4] == self.digest for match in _TAG.finditer(header))

    async def form(self, coding: Coding) -> bytes:
        """Return the body in a coding."""
        if not coding:
            return self.body
        form = self._forms.get(coding)
        if form is None:
            levels = _LASTING_LEVELS if self.is_lasting else _LEVELS
            if self.is_lasting or len(self.body) >= THREAD_FROM_BYTES:
                form = await asyncio.to_thread(_compress, self.body, coding, levels)
            else:
                form = _compress(self.body, coding, levels)
            self._forms[coding] = form
        return form


async def answer(
    request: web.Request,
    content: Content,
    *,
    status: int = 200,
    cache: str = REVALIDATED,
    is_compressed: bool = True,
) -> web.Response:
    """Return the answer with `content`, or that the asker has it already (304)."""
    coding: Coding = ""
    if is_compressed and content.is_compressible and len(content.body) >= COMPRESS_FROM_BYTES:
        coding = coding_of(request.headers.get("Accept-Encoding", ""))
    headers = {"Cache-Control": cache, "Vary": "Accept-Encoding"}
    if request.method in ("GET", "HEAD") and status == 200:
        headers["ETag"] = content.tag(coding)
        asked = request.headers.get("If-None-Match")
        if asked is not None and content.is_known(asked):
            return web.Response(status=304, headers=headers)
    elif content.version is not None:
        headers["ETag"] = f'"{content.version}"'
    if coding:
        headers["Content-Encoding"] = coding
    # As one header: aiohttp would take it apart and put it together again.
    headers["Content-Type"] = content.media_type
    return web.Response(body=await content.form(coding), status=status, headers=headers)


@lru_cache(maxsize=256)
def coding_of(accepted: str) -> Coding:
    """Return the best coding an Accept-Encoding header takes (RFC 9110, 12.5.3)."""
    qualities: dict[str, float] = {}
    for part in accepted.lower().split(","):
        name, _, parameter = part.strip().partition(";")
        quality = parameter.strip().removeprefix("q=")
        try:
            qualities[name.strip()] = float(quality) if quality else 1.0
        except ValueError:
            qualities[name.strip()] = 0.0
    anything = qualities.get("*", 0.0)
    offered: tuple[Coding, ...] = ("br", "gzip")
    best = max(offered, key=lambda coding: qualities.get(coding, anything))
    return best if qualities.get(best, anything) > 0 else ""


def tags_in(header: str) -> list[tuple[int | None, str]]:
    """Return version and digest of each tag of an If-Match header, weak ones left out (RFC 9110, 13.1.1).

    A tag of the version alone, `"7"`, as a change answers it, has no digest.
    """
    found: list[tuple[int | None, str]] = []
    for part in header.split(","):
        bare = part.strip()
        if bare.startswith('"') and bare.endswith('"') and bare[1:-1].isascii() and bare[1:-1].isdigit():
            found.append((int(bare[1:-1][:16]), ""))
            continue
        match = _TAG.fullmatch(bare)
        if match is not None and match[1] is None and match[4]:
            found.append((None if match[3] is None else int(match[3]), match[4]))
    return found


def _compress(body: bytes, coding: Coding, levels: _Levels) -> bytes:
    if coding == "br":
        return bytes(brotli.compress(body, quality=levels.br))
    return gzip.compress(body, levels.gzip, mtime=0)
