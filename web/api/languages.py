"""In which language sentences are answered."""

from __future__ import annotations

from aiohttp.web import Request

from cluster.analytics.sentences import Language, choose_language
from web.api.schemas import Schema


class LanguageQuery(Schema):
    """In which language sentences are; without one as Accept-Language has it."""

    language: Language | None = None


def language_of(request: Request, query: LanguageQuery) -> Language:
    """Return the language that was asked for."""
    return query.language or choose_language(request.headers.get("Accept-Language", ""))
