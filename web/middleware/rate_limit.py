"""How many requests one account, or one stranger's address, may make (draft-ietf-httpapi-ratelimit-headers).

A token bucket per account and per address, on each node by itself and in memory. It keeps one caller from
crowding out the others; it is no defence against many. Dozens of files make one page of the dashboard, and
come from memory: they have a bucket of their own, so that an office behind one address gets it whole.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from dataclasses import dataclass
from enum import StrEnum

from aiohttp import web
from aiohttp.typedefs import Handler

from web.auth.problems import Problem
from web.middleware.keys import CALL, RATE_HEADERS, SURROUNDINGS
from web.middleware.routes import route_of

KEYS_MAX = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Quota:
    """`burst` requests at once, and `per_minute` of them in the long run."""

    burst: int
    per_minute: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Bounds of one node: quotas, and how many connections that stay open there may be."""

    account: Quota = Quota(burst=600, per_minute=6000)
    stranger: Quota = Quota(burst=120, per_minute=600)
    files: Quota = Quota(burst=3000, per_minute=18_000)
    live_clients: int = 256
    log_streams: int = 256
    terminals: int = 32


class Counted(StrEnum):
    """Whose requests a bucket holds: an account's, or an address's, of which files are counted apart."""

    ACCOUNT = "account"
    ADDRESS = "address"
    FILES = "files"


@dataclass(slots=True)
class _Bucket:
    tokens: float
    filled_s: float


class RateLimiter:
    """The buckets of one node; those used least lately make room for new ones."""

    def __init__(self, limits: Limits) -> None:
        self._quotas = {
            Counted.ACCOUNT: limits.account,
            Counted.ADDRESS: limits.stranger,
            Counted.FILES: limits.files,
        }
        self._buckets: OrderedDict[tuple[Counted, str], _Bucket] = OrderedDict()

    def take(self, counted: Counted, key: str, *, now_s: float) -> tuple[dict[str, str], int | None]:
        """Count one request; returns the headers, and in how many seconds to come back if it is refused."""
        quota = self._quotas[counted]
        rate = quota.per_minute / 60
        bucket = self._buckets.get((counted, key))
        if bucket is None:
            if len(self._buckets) >= KEYS_MAX:
                self._buckets.popitem(last=False)
            bucket = self._buckets[counted, key] = _Bucket(quota.burst, now_s)
        self._buckets.move_to_end((counted, key))
        bucket.tokens = min(quota.burst, bucket.tokens + max(0.0, now_s - bucket.filled_s) * rate)
        bucket.filled_s = now_s
        retry_after_s = None
        if bucket.tokens >= 1:
            bucket.tokens -= 1
        else:
            retry_after_s = max(1, math.ceil((1 - bucket.tokens) / rate))
        full_in_s = math.ceil((quota.burst - bucket.tokens) / rate)
        headers = {
            "RateLimit-Policy": f'"{counted}";q={quota.burst};w={math.ceil(quota.burst / rate)}',
            "RateLimit": f'"{counted}";r={int(bucket.tokens)};t={full_in_s}',
        }
        return headers, retry_after_s


LIMITER = web.AppKey("limiter", RateLimiter)


@web.middleware
async def limit_rate(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Count the request against its account, or its address. Raises Problem (429)."""
    call = request[CALL]
    identity = call.identity
    route = route_of(request)
    if route is not None and route.is_file:
        take(request, Counted.FILES, call.ip)
    elif identity is None:
        take(request, Counted.ADDRESS, call.ip)
    else:
        take(request, Counted.ACCOUNT, identity.principal_id)
    return await handler(request)


def take(request: web.Request, counted: Counted, key: str) -> None:
    """Count one request, and keep the headers that say so. Raises Problem (429)."""
    now_s = request.app[SURROUNDINGS].clock.monotonic_s()
    headers, retry_after_s = request.app[LIMITER].take(counted, key, now_s=now_s)
    request[RATE_HEADERS] = headers
    if retry_after_s is not None:
        raise Problem(
            "too-many-requests",
            "more requests than this account or address may make",
            hint="ask less often; the dashboard's WebSocket tells of changes by itself",
            retry_after_s=retry_after_s,
        )
