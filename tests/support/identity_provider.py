"""An OpenID Connect provider: a real HTTPS server with real keys, and what a hostile one would do.

Tests change `token` (how the ID token is made), `claims`, `metadata` and `answer` of the one they are served.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import ssl
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote_plus, urlencode, urlsplit

import jwt
from aiohttp import web
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from tests.support.server_certificates import self_signed

CLIENT_ID = "tower"
CLIENT_SECRET = "s3cret:with/odd signs"

_RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
ANOTHER_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
_EC = ec.generate_private_key(ec.SECP256R1())


@dataclass(slots=True)
class Grant:
    """What somebody logged in for, until the code is exchanged."""

    nonce: str
    challenge: str
    redirect_uri: str


@dataclass(slots=True)
class Provider:
    """One provider. `now_ms` is its clock; `subject` and `claims` are who logs in next."""

    now_ms: Callable[[], int]
    issuer: str = ""
    ca_pem: str = ""
    subject: str = "248289761001"
    claims: dict[str, Any] = field(
        default_factory=lambda: {"preferred_username": "gina", "groups": ["ops"], "email": "g@example.com"}
    )
    overrides: dict[str, Any] = field(default_factory=dict)
    key_id: str = "rsa-1"
    keys: dict[str, Any] = field(default_factory=lambda: {"rsa-1": _RSA, "ec-1": _EC})
    published: list[str] = field(default_factory=lambda: ["rsa-1", "ec-1"])
    metadata: dict[str, Any] = field(default_factory=dict)
    make_token: Callable[[Provider, dict[str, Any]], str] | None = None
    userinfo: dict[str, Any] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    grants: dict[str, Grant] = field(default_factory=dict)
    auth: str = ""
    is_down: bool = False

    def rotate_keys(self) -> None:
        """Sign with another key from now on, and publish that alone."""
        self.keys["rsa-2"] = ANOTHER_KEY
        self.key_id, self.published = "rsa-2", ["rsa-2"]

    def visit(self, url: str, **extra: str) -> str:
        """Be the browser of somebody who logs in: returns where it is sent back to."""
        query = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
        assert query["response_type"] == "code"
        assert query["client_id"] == CLIENT_ID
        assert query["code_challenge_method"] == "S256"
        code = f"code-{len(self.grants) + 1}"
        self.grants[code] = Grant(query["nonce"], query["code_challenge"], query["redirect_uri"])
        return f"{query['redirect_uri']}?{urlencode({'code': code, 'state': query['state'], **extra})}"

    def sign(self, claims: dict[str, Any], *, key_id: str | None = None, **header: Any) -> str:
        """Return an ID token."""
        key = self.keys[key_id or self.key_id]
        algorithm = "ES256" if isinstance(key, ec.EllipticCurvePrivateKey) else "RS256"
        headers = {"kid": key_id or self.key_id, **header}
        return jwt.encode(claims, key, algorithm=algorithm, headers=headers)

    def public_pem(self) -> bytes:
        """The public key as text, which HS256 confusion takes for a shared secret."""
        key: bytes = (
            self.keys[self.key_id]
            .public_key()
            .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        )
        return key

    def _id_claims(self, nonce: str) -> dict[str, Any]:
        now_s = self.now_ms() // 1000
        claims = {
            "iss": self.issuer,
            "aud": CLIENT_ID,
            "sub": self.subject,
            "iat": now_s,
            "exp": now_s + 300,
            "nonce": nonce,
            **self.claims,
            **self.overrides,
        }
        return {name: value for name, value in claims.items() if value is not ...}

    async def discovery(self, _: web.Request) -> web.Response:
        self.asked.append("discovery")
        if self.is_down:
            raise web.HTTPBadGateway
        document = {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize?kept=1",
            "token_endpoint": f"{self.issuer}/token",
            "jwks_uri": f"{self.issuer}/keys",
            "userinfo_endpoint": f"{self.issuer}/userinfo",
            "end_session_endpoint": f"{self.issuer}/logout",
            **self.metadata,
        }
        return web.json_response({name: value for name, value in document.items() if value is not ...})

    async def jwks(self, _: web.Request) -> web.Response:
        self.asked.append("keys")
        keys = []
        for key_id in self.published:
            key = self.keys[key_id]
            is_ec = isinstance(key, ec.EllipticCurvePrivateKey)
            algorithm = jwt.algorithms.ECAlgorithm if is_ec else jwt.algorithms.RSAAlgorithm
            jwk = algorithm.to_jwk(key.public_key(), as_dict=True)
            keys.append({**jwk, "kid": key_id, "use": "sig", "alg": "ES256" if is_ec else "RS256"})
        return web.json_response({"keys": [*keys, {"kty": "oct", "k": "AAAA", "kid": "shared"}]})

    async def token(self, request: web.Request) -> web.Response:
        self.asked.append("token")
        form = {name: str(value) for name, value in (await request.post()).items()}
        self.auth = request.headers.get("Authorization", "")
        scheme, _, pair = self.auth.partition(" ")
        name, _, secret = (
            base64.b64decode(pair).decode().partition(":") if scheme == "Basic" else ("", "", "")
        )
        given = (unquote_plus(name), unquote_plus(secret))
        if not self.auth:
            given = (form.get("client_id", ""), form.get("client_secret", ""))
        if given != (CLIENT_ID, CLIENT_SECRET):
            return web.json_response({"error": "invalid_client"}, status=401)
        grant = self.grants.pop(form["code"], None)
        if grant is None or grant.redirect_uri != form["redirect_uri"]:
            return web.json_response({"error": "invalid_grant"}, status=400)
        digest = hashlib.sha256(form["code_verifier"].encode()).digest()
        if base64.urlsafe_b64encode(digest).rstrip(b"=").decode() != grant.challenge:
            return web.json_response({"error": "invalid_grant"}, status=400)
        claims = self._id_claims(grant.nonce)
        token = self.sign(claims) if self.make_token is None else self.make_token(self, claims)
        return web.json_response({"access_token": "at", "token_type": "Bearer", "id_token": token})

    async def user(self, request: web.Request) -> web.Response:
        self.asked.append("userinfo")
        assert request.headers["Authorization"] == "Bearer at"
        return web.json_response(self.userinfo)


@asynccontextmanager
async def an_identity_provider(now_ms: Callable[[], int]) -> AsyncIterator[Provider]:
    """Serve one on a local port under https://localhost."""
    pem = await asyncio.to_thread(self_signed, "localhost")
    provider = Provider(now_ms=now_ms)
    provider.ca_pem = pem[: pem.index("-----BEGIN PRIVATE KEY-----")]
    app = web.Application()
    app.router.add_get("/.well-known/openid-configuration", provider.discovery)
    app.router.add_get("/keys", provider.jwks)
    app.router.add_post("/token", provider.token)
    app.router.add_get("/userinfo", provider.user)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory) / "server.pem"
        file.write_text(pem)
        context.load_cert_chain(file)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context)
    await site.start()
    provider.issuer = f"https://localhost:{runner.addresses[0][1]}"
    try:
        yield provider
    finally:
        await runner.cleanup()
