"""The REST interface as the command line uses it: HTTPS to any host of the cluster.

Only the standard library, because a command should start in the time a person does not notice.
A host that cannot be reached is passed over for the next one of the context. A request that was
sent and not answered is not sent again: its outcome is unknown, and said to be.
"""

from __future__ import annotations

import http.client
import json
import secrets
import ssl
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import IO, Any
from urllib.parse import quote, urlencode, urlsplit

from agent.cli.failures import CommandFailed, OutcomeUnknown, UsageWrong

API = "/api/v1"
CONNECT_TIMEOUT_S = 5.0
ANSWER_TIMEOUT_S = 60.0
# The server sends an empty line every 15 s on a stream that has nothing to say.
STREAM_SILENCE_S = 60.0
BODY_BYTES_MAX = 64 * 1024 * 1024
LINE_BYTES_MAX = 1024 * 1024
PAGES_MAX = 1000
_LINES = "application/x-ndjson"
# What the server tells every client; here it can be said as commands.
_ANY_LOGIN = "log in, or send a token"


class ApiRefused(CommandFailed):
    """The cluster answered and refused. `status` is HTTP's, `code` the problem's type."""

    def __init__(self, message: str, *, status: int, code: str, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.status = status
        self.code = code


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Whom to ask, and as whom. `ca_pem` empty: the system's certificate authorities."""

    servers: tuple[str, ...]
    ca_pem: str = ""
    access_token: str = field(default="", repr=False)
    refresh_token: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """The tokens of a login."""

    access_token: str = field(repr=False)
    refresh_token: str = field(repr=False)


class Client:
    """Requests to one cluster. `on_refreshed` is told of renewed tokens, to be remembered.

    `server` is the host that answered last.
    """

    def __init__(self, target: Target, *, on_refreshed: Callable[[Session], None] | None = None) -> None:
        self._target = target
        self._access_token = target.access_token
        self._refresh_token = target.refresh_token
        self._on_refreshed = on_refreshed
        self.ca_pem = target.ca_pem
        self.server = target.servers[0] if target.servers else ""
        self._tls: ssl.SSLContext | None = None
        self.connect_timeout_s = CONNECT_TIMEOUT_S

    def get(self, path: str, /, **query: object) -> Any:
        """Return the JSON at `path` below /api/v1. None among `query` is left out."""
        return self._json("GET", path, query=query)

    def text(self, path: str, **query: object) -> str:
        """Return what is at `path` below /api/v1 as text, whatever it is. None among `query` is left out."""
        response = self._send("GET", path, query=query, timeout_s=ANSWER_TIMEOUT_S)
        return self._read(response, "GET").decode(errors="replace")

    def post(
        self, path: str, body: object = None, *, timeout_s: float = ANSWER_TIMEOUT_S, **query: object
    ) -> Any:
        """Send `body` and return the answer's JSON, None when it has no content."""
        return self._json(
            "POST", path, body=body if body is not None else {}, timeout_s=timeout_s, query=query
        )

    def put(self, path: str, body: object, **query: object) -> Any:
        """Have `body` at `path` and return the answer's JSON."""
        return self._json("PUT", path, body=body, query=query)

    def delete(self, path: str, **query: object) -> Any:
        """Remove what is at `path`."""
        return self._json("DELETE", path, query=query)

    def open(self, path: str, /, **query: object) -> http.client.HTTPResponse:
        """Return what is at `path`, to be read as it comes and closed."""
        return self._send("GET", path, query=query, timeout_s=STREAM_SILENCE_S)

    def upload(self, path: str, content: IO[bytes], length: int, /, **query: object) -> Any:
        """Have a file's bytes at `path` and return the answer's JSON.

        A token that has run out is not renewed: ask something first.
        """
        headers = {
            "Accept": "application/json",
            "Connection": "close",
            "Content-Type": "application/octet-stream",
            "Content-Length": str(length),
        }
        response = self._send_once("PUT", path, query, headers, content, STREAM_SILENCE_S)
        answer = self._read(response, "PUT")
        if response.status >= 300:
            raise _refusal(response, answer)
        return _parse(answer) if answer.strip() else None

    def items(self, path: str, **query: object) -> list[dict[str, Any]]:
        """Return every item of a list, page by page."""
        found: list[dict[str, Any]] = []
        cursor = None
        for _ in range(PAGES_MAX):
            page = self.get(path, cursor=cursor, **query)
            found.extend(page["items"])
            cursor = page.get("next_cursor")
            if not cursor:
                return found
        raise CommandFailed(f"the list has more than {len(found)} items", hint="narrow it down")

    def lines(self, path: str, **query: object) -> Iterator[dict[str, Any]]:
        """Yield the JSON objects of a stream (application/x-ndjson) as they come, until it ends.

        Raises:
            CommandFailed: the stream broke; a line with an `error` ends it too.
        """
        response = self._send("GET", path, query=query, timeout_s=STREAM_SILENCE_S, accept=_LINES)
        try:
            while line := response.readline(LINE_BYTES_MAX):
                if not line.strip():
                    continue
                record = _parse(line)
                if "error" in record:
                    raise CommandFailed(str(record["error"]))
                yield record
        except (OSError, http.client.HTTPException) as error:
            raise CommandFailed(
                f"the stream broke: {_reason(error)}", hint="run the command again"
            ) from error
        finally:
            response.close()

    def events(self, path: str, body: object) -> Iterator[dict[str, Any]]:
        """Send `body` and yield the events of the answer (text/event-stream) as they come, until it ends.

        Leaving early closes the connection. Raises CommandFailed: the stream broke.
        """
        response = self._send(
            "POST", path, query={}, body=body, timeout_s=STREAM_SILENCE_S, accept="text/event-stream"
        )
        try:
            while line := response.readline(LINE_BYTES_MAX):
                # Comments show that the stream lives. Each event's JSON is one line.
                if line.startswith(b"data:"):
                    yield _parse(line.removeprefix(b"data:"))
        except (OSError, http.client.HTTPException) as error:
            raise CommandFailed(
                f"the stream broke: {_reason(error)}", hint="run the command again"
            ) from error
        finally:
            response.close()

    @property
    def access_token(self) -> str:
        """The token in use: another one after a renewal."""
        return self._access_token

    # ---- one request --------------------------------------------------------------------------

    def _json(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, object],
        body: object = None,
        timeout_s: float = ANSWER_TIMEOUT_S,
    ) -> Any:
        response = self._send(method, path, query=query, body=body, timeout_s=timeout_s)
        content = self._read(response, method)
        return _parse(content) if content.strip() else None

    def _send(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, object],
        body: object = None,
        timeout_s: float,
        accept: str = "application/json",
    ) -> http.client.HTTPResponse:
        headers = {
            "Accept": accept,
            "Connection": "close",
            # What its owner sees among their logins.
            "User-Agent": "tower/command-line",
        }
        content = None
        if method != "GET":
            # A repetition by a person is a new request; one by a proxy on the way is not.
            headers["Idempotency-Key"] = secrets.token_hex(16)
        if body is not None:
            headers["Content-Type"] = "application/json"
            content = json.dumps(body).encode()
        response = self._send_once(method, path, query, headers, content, timeout_s)
        if response.status == 401 and self._refresh_token:
            refused = _refusal(response, self._read(response, method))
            if not self._refresh():
                raise refused
            response = self._send_once(method, path, query, headers, content, timeout_s)
        if response.status >= 300:
            raise _refusal(response, self._read(response, method))
        return response

    def _send_once(
        self,
        method: str,
        path: str,
        query: Mapping[str, object],
        headers: Mapping[str, str],
        content: bytes | IO[bytes] | None,
        timeout_s: float,
    ) -> http.client.HTTPResponse:
        if self._access_token:
            headers = {**headers, "Authorization": f"Bearer {self._access_token}"}
        url = f"{API}{path}{_query_string(query)}"
        failures = []
        for server in self._target.servers:
            try:
                connection = self._connect(server)
            except (OSError, ssl.SSLError) as error:
                failures.append(f"{server}: {_reason(error)}")
                continue
            try:
                assert connection.sock is not None
                connection.sock.settimeout(timeout_s)
                connection.request(method, url, body=content, headers=dict(headers))
                response = connection.getresponse()
                self.server = server
                return response
            except (OSError, http.client.HTTPException) as error:
                connection.close()
                if method == "GET":
                    failures.append(f"{server}: {_reason(error)}")
                    continue
                raise OutcomeUnknown(
                    f"{server} did not answer: {_reason(error)}; the request may have taken effect",
                    hint="see `tower status` and `tower audit` before you repeat it",
                ) from error
        hint = "is the agent running there? `systemctl status tower` on the host; other hosts: --server"
        if any("certificate" in failure for failure in failures):
            hint = "log in again to this cluster (`tower login --server ...`), or give its CA with --ca FILE"
        raise CommandFailed(f"no host of the cluster answers: {'; '.join(failures)}", hint=hint)

    def _connect(self, server: str) -> http.client.HTTPSConnection:
        parts = urlsplit(server)
        if parts.scheme != "https" or not parts.hostname:
            raise CommandFailed(f"{server!r} is not an address", hint="such as https://10.0.0.5:7443")
        if self._tls is None:
            self._tls = tls_context(self._target.ca_pem)
        connection = http.client.HTTPSConnection(
            parts.hostname, parts.port or 7443, timeout=self.connect_timeout_s, context=self._tls
        )
        connection.connect()
        return connection

    @staticmethod
    def _read(response: http.client.HTTPResponse, method: str) -> bytes:
        try:
            content = response.read(BODY_BYTES_MAX + 1)
        except (OSError, http.client.HTTPException) as error:
            if method == "GET":
                raise CommandFailed(f"the answer broke off: {_reason(error)}") from error
            raise OutcomeUnknown(f"the answer broke off: {_reason(error)}") from error
        finally:
            # Reading to the end does not close an answer whose length was not told.
            response.close()
        if len(content) > BODY_BYTES_MAX:
            raise CommandFailed("the answer is longer than 64 MiB")
        return content

    def _refresh(self) -> bool:
        """Renew an expired access token, once; false when the session is over."""
        refresh_token, self._refresh_token, self._access_token = self._refresh_token, "", ""
        with suppress(ApiRefused):
            answer = self.post("/auth/refresh", {"refresh_token": refresh_token})
            self._access_token = str(answer["access_token"])
            self._refresh_token = str(answer["refresh_token"])
            if self._on_refreshed is not None:
                self._on_refreshed(
                    Session(access_token=self._access_token, refresh_token=self._refresh_token)
                )
            return True
        return False


def tls_context(ca_pem: str) -> ssl.SSLContext:
    """Return a TLS 1.3 context that trusts `ca_pem` alone, or, when that is empty, what the system trusts.

    With the cluster's own CA names are neither compared nor asked for: it certifies the hosts of the cluster
    and nothing else, and any of them may answer, under whatever address it is reached at.
    """
    context = ssl.create_default_context(ssl.Purpose.SERVER_AUTH)
    if ca_pem:
        context = _nameless()
        try:
            context.load_verify_locations(cadata=ca_pem)
        except (ssl.SSLError, ValueError) as error:
            raise CommandFailed(
                "the CA is not a PEM certificate", hint="give the file with --ca FILE"
            ) from error
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    return context


def fetch_ca(server: str) -> str:
    """Return the CA certificate that `server` says is its cluster's. Nothing is verified yet.

    The caller compares its fingerprint with one that came another way, or asks the person.
    """
    parts = urlsplit(server)
    context = _nameless()
    context.verify_mode = ssl.CERT_NONE
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    connection = http.client.HTTPSConnection(
        parts.hostname or "", parts.port or 7443, timeout=CONNECT_TIMEOUT_S, context=context
    )
    try:
        # Without it the answer is the PEM text itself, for `curl` and for hosts that join.
        connection.request("GET", f"{API}/ca", headers={"Accept": "application/json"})
        response = connection.getresponse()
        with response:
            content = response.read(LINE_BYTES_MAX)
    except (OSError, http.client.HTTPException) as error:
        raise CommandFailed(
            f"{server} does not answer: {_reason(error)}",
            hint="give the api address of a host whose agent runs, such as 10.0.0.5:7443",
        ) from error
    finally:
        connection.close()
    answer = _parse(content) if response.status == 200 else {}
    if not isinstance(answer.get("ca_pem"), str):
        raise CommandFailed(f"{server} is not a Control Tower agent (status {response.status})")
    return str(answer["ca_pem"])


def _nameless() -> ssl.SSLContext:
    # Here, so that a command that asks nobody imports nothing of the agent.
    from agent.keys.nameless import NamelessContext

    return NamelessContext()


def segment(text: str) -> str:
    """Return `text` as one segment of a path. Raises UsageWrong for what cannot be one."""
    if text.strip(". ") == "":
        raise UsageWrong(f"{text!r} is no name or id", hint="give it as the list shows it")
    return quote(text, safe="")


def _query_string(query: Mapping[str, object]) -> str:
    given = {key: _query_value(value) for key, value in query.items() if value is not None}
    return f"?{urlencode(given)}" if given else ""


def _query_value(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _parse(content: bytes) -> Any:
    try:
        return json.loads(content)
    except ValueError as error:
        raise CommandFailed(
            "the answer is not JSON: this is not a Control Tower agent, or a proxy answers for it"
        ) from error


def _refusal(response: http.client.HTTPResponse, content: bytes) -> ApiRefused:
    problem: Any = None
    with suppress(ValueError):
        problem = json.loads(content)
    if not isinstance(problem, dict):
        problem = {}
    title = str(problem.get("title") or f"status {response.status} {response.reason}")
    detail = str(problem.get("detail") or "")
    findings = [wrong for wrong in problem.get("errors") or () if isinstance(wrong, dict)]
    if findings and detail.startswith(f"{findings[0].get('field')}: {findings[0].get('rule')}"):
        # Below, each is told with its value.
        detail = ""
    message = f"{title}: {detail}" if detail else title
    if detail.lower().startswith(title.lower()):
        message = detail
    for wrong in findings:
        message += f"\n{_finding(wrong)}"
    hint = str(problem.get("hint") or "")
    if response.status == 401 and hint in ("", _ANY_LOGIN):
        hint = "log in with `tower login`, or give another token: TOWER_TOKEN, or --token @FILE"
    code = str(problem.get("type", "")).rpartition(":")[2].rpartition("/")[2]
    return ApiRefused(message, status=response.status, code=code, hint=hint)


def _finding(wrong: Mapping[str, Any]) -> str:
    """One thing wrong with what was sent: `line 4, column 7: services.web.ports = "x": the rule; hint`."""
    place = f"line {wrong['line']}" if wrong.get("line") else ""
    if place and wrong.get("column"):
        place += f", column {wrong['column']}"
    place = ", ".join(part for part in (str(wrong.get("file") or ""), place) if part)
    place += ": " if place else ""
    field = str(wrong.get("field") or wrong.get("path") or "")
    value = f" = {json.dumps(wrong['value'], ensure_ascii=False)}" if wrong.get("value") is not None else ""
    rule = str(wrong.get("rule") or wrong.get("detail") or "")
    hint = f"; {wrong['hint']}" if wrong.get("hint") else ""
    return f"{place}{field}{value}: {rule}{hint}"


def _reason(error: Exception) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted ({error.verify_message})"
    if isinstance(error, ssl.SSLError) and "CERTIFICATE_REQUIRED" in str(error.reason):
        return "that is a port for members of the cluster alone, not its api port"
    if isinstance(error, ssl.SSLError):
        return f"no TLS there ({error.reason or error})"
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    if isinstance(error, http.client.RemoteDisconnected):
        return "the connection was closed"
    return str(error) or type(error).__name__
