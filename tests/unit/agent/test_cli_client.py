"""The REST client of the command line, against a server over TLS."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.cli.client import ApiRefused, Client, Session, Target, fetch_ca, segment
from agent.cli.connection import connect, normalized, resolve_target
from agent.cli.context import Context, ContextFile, load_contexts, save_contexts
from agent.cli.failures import CommandFailed, OutcomeUnknown, UsageWrong
from agent.cli.login import ca_fingerprint
from agent.cli.main import build_parser
from tests.support.raft_certificates import Authority
from tests.support.stub_api import Answer, Request, StubApi, stub_api


@pytest.fixture
def api(tmp_path: Path) -> Iterator[StubApi]:
    with stub_api(tmp_path / "api") as made:
        yield made


def a_client(api: StubApi, *servers: str, token: str = "access-zero", refresh_token: str = "") -> Client:
    return Client(
        Target(
            servers=servers or (api.url,),
            ca_pem=api.ca_file.read_text(),
            access_token=token,
            refresh_token=refresh_token,
        )
    )


def an_unused_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_a_request_carries_the_token_and_only_the_given_query(api: StubApi) -> None:
    api.answers["GET /nodes"] = Answer(body={"items": []})
    assert a_client(api).get("/nodes", q="a b&c", all=True, node=None) == {"items": []}
    [request] = api.requests
    assert request.query == {"q": "a b&c", "all": "true"}
    assert request.headers["Authorization"] == "Bearer access-zero"
    assert "Idempotency-Key" not in request.headers


def test_a_change_carries_a_key_of_its_own(api: StubApi) -> None:
    api.answers["POST /nodes/n1/drain"] = Answer(204)
    client = a_client(api)
    assert client.post("/nodes/n1/drain", {"draining": True}) is None
    client.post("/nodes/n1/drain")
    assert [request.body for request in api.requests] == [{"draining": True}, {}]
    assert len({request.headers["Idempotency-Key"] for request in api.requests}) == 2


def test_a_list_is_read_page_by_page(api: StubApi) -> None:
    def page(request: Request) -> Answer:
        start = int(request.query.get("cursor", "0"))
        more = str(start + 2) if start < 4 else None
        return Answer(body={"items": [{"n": start}, {"n": start + 1}], "next_cursor": more})

    api.answers["GET /containers"] = page
    assert [item["n"] for item in a_client(api).items("/containers")] == [0, 1, 2, 3, 4, 5]


def test_a_refusal_is_told_in_the_clusters_words(api: StubApi) -> None:
    api.answers["POST /deployments"] = Answer(
        422,
        {
            "type": "urn:tower:problem:bad-compose",
            "title": "the Compose file cannot be used",
            "detail": "2 findings",
            "errors": [
                {
                    "line": 4,
                    "path": "services.web.ports",
                    "value": "x",
                    "rule": "not a port",
                    "hint": "80:80",
                },
                {"field": "services.db", "rule": "no image"},
            ],
        },
    )
    with pytest.raises(ApiRefused) as refused:
        a_client(api).post("/deployments", {})
    assert (refused.value.status, refused.value.code) == (422, "bad-compose")
    assert str(refused.value).splitlines() == [
        "the Compose file cannot be used: 2 findings",
        'line 4: services.web.ports = "x": not a port; 80:80',
        "services.db: no image",
    ]


def test_a_wrong_field_is_told_once_with_its_place_and_value(api: StubApi) -> None:
    wrong = {"field": "uses", "value": 0, "rule": "must be at least 1", "line": 3, "column": 7}
    detail = "uses: must be at least 1, and 1 more"
    api.answers["POST /join-tokens"] = Answer(
        422, {"title": "not right", "detail": detail, "errors": [wrong]}
    )
    with pytest.raises(ApiRefused) as refused:
        a_client(api).post("/join-tokens", {})
    assert str(refused.value).splitlines() == ["not right", "line 3, column 7: uses = 0: must be at least 1"]


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (Answer(401, {"title": "no session"}), "no session"),
        (Answer(500, content=b"<html>oops</html>", content_type="text/html"), "status 500"),
        (Answer(503, content=b"[1]"), "status 503"),
        (Answer(302, content=b""), "status 302"),
        (Answer(200, content=b"<html>"), "not JSON"),
    ],
)
def test_any_other_answer_is_a_failure_too(api: StubApi, answer: Answer, said: str) -> None:
    api.answers["GET /cluster"] = answer
    with pytest.raises(CommandFailed, match=said) as failed:
        a_client(api).get("/cluster")
    assert failed.value.exit_status == 1


def test_without_a_session_the_hint_is_to_log_in(api: StubApi) -> None:
    api.answers["GET /cluster"] = Answer(401, {"title": "no session"})
    with pytest.raises(ApiRefused) as refused:
        a_client(api).get("/cluster")
    assert "tower login" in refused.value.hint


# ---- hosts that are down ------------------------------------------------------------------------


def test_the_next_host_is_asked_when_one_is_down(api: StubApi) -> None:
    api.answers["POST /nodes/n1/drain"] = Answer(204)
    down = f"https://127.0.0.1:{an_unused_port()}"
    a_client(api, down, api.url).post("/nodes/n1/drain")
    assert len(api.requests) == 1


def test_when_no_host_answers_each_is_named_with_its_reason(api: StubApi) -> None:
    ports = [an_unused_port(), an_unused_port()]
    with pytest.raises(CommandFailed) as failed:
        a_client(api, *(f"https://127.0.0.1:{port}" for port in ports)).get("/cluster")
    for port in ports:
        assert f"https://127.0.0.1:{port}: connection refused" in str(failed.value)
    assert "is the agent running" in failed.value.hint


def test_a_read_that_broke_off_is_asked_of_the_next_host(api: StubApi, tmp_path: Path) -> None:
    api.answers["GET /cluster"] = Answer(drop=True)
    with stub_api(tmp_path / "other") as other:
        other.answers["GET /cluster"] = Answer(body={"term": 3})
        both = api.ca_file.read_text() + other.ca_file.read_text()
        client = Client(Target(servers=(api.url, other.url), ca_pem=both))
        assert client.get("/cluster") == {"term": 3}


def test_a_change_that_was_sent_and_not_answered_is_unknown_and_not_repeated(
    api: StubApi, tmp_path: Path
) -> None:
    api.answers["POST /deployments"] = Answer(drop=True)
    with stub_api(tmp_path / "other") as other:
        both = api.ca_file.read_text() + other.ca_file.read_text()
        with pytest.raises(OutcomeUnknown) as unknown:
            Client(Target(servers=(api.url, other.url), ca_pem=both)).post("/deployments", {})
        assert other.requests == []
    assert unknown.value.exit_status == 3
    assert "may have taken effect" in str(unknown.value)


def test_a_server_that_says_nothing_is_given_up_on(api: StubApi) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        client = Client(Target(servers=(f"https://127.0.0.1:{silent.getsockname()[1]}",)))
        client.connect_timeout_s = 0.2
        with pytest.raises(CommandFailed, match="no answer in time"):
            client.get("/cluster")


# ---- TLS ----------------------------------------------------------------------------------------


def test_a_host_of_another_cluster_is_not_trusted(api: StubApi, tmp_path: Path) -> None:
    other = Authority(tmp_path / "other-ca").ca_file.read_text()
    with pytest.raises(CommandFailed, match="certificate is not trusted") as failed:
        Client(Target(servers=(api.url,), ca_pem=other, access_token="secret")).get("/cluster")
    assert api.requests == []
    assert "log in again" in failed.value.hint
    assert "secret" not in str(failed.value)


def test_without_a_ca_the_system_decides(api: StubApi) -> None:
    with pytest.raises(CommandFailed, match="certificate is not trusted"):
        Client(Target(servers=(api.url,))).get("/cluster")
    assert api.requests == []


def test_with_the_clusters_ca_a_host_may_be_reached_by_any_name(api: StubApi) -> None:
    api.answers["GET /cluster"] = Answer(body={})
    by_name = f"https://localhost:{api.address.rpartition(':')[2]}"
    assert a_client(api, by_name).get("/cluster") == {}


def test_a_port_without_tls_is_told_as_such() -> None:
    with socket.socket() as plain:
        plain.bind(("127.0.0.1", 0))
        plain.listen()

        def answer() -> None:
            connection, _ = plain.accept()
            with connection:
                connection.recv(1000)
                connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        answering = threading.Thread(target=answer)
        answering.start()
        try:
            with pytest.raises(CommandFailed, match="no TLS there"):
                Client(Target(servers=(f"https://127.0.0.1:{plain.getsockname()[1]}",))).get("/cluster")
        finally:
            answering.join()


def test_a_ca_that_is_none_is_refused() -> None:
    with pytest.raises(CommandFailed, match="not a PEM certificate"):
        Client(Target(servers=("https://127.0.0.1:1",), ca_pem="nonsense")).get("/cluster")
    with pytest.raises(CommandFailed, match="not a PEM certificate"):
        ca_fingerprint("nonsense")


def test_the_ca_is_fetched_before_anything_is_trusted(api: StubApi) -> None:
    api.answers["GET /ca"] = Answer(body={"ca_pem": api.ca_file.read_text()})
    assert fetch_ca(api.url) == api.ca_file.read_text()
    assert "Authorization" not in api.requests[0].headers
    api.answers["GET /ca"] = Answer(body={"x": 1})
    with pytest.raises(CommandFailed, match="not a Control Tower agent"):
        fetch_ca(api.url)
    with pytest.raises(CommandFailed, match="does not answer"):
        fetch_ca(f"https://127.0.0.1:{an_unused_port()}")


# ---- sessions -----------------------------------------------------------------------------------


def test_an_expired_session_is_renewed_once_and_remembered(api: StubApi) -> None:
    renewed: list[Session] = []

    def cluster(request: Request) -> Answer:
        fresh = request.headers["Authorization"] == "Bearer access-one"
        return Answer(body={"ok": True}) if fresh else Answer(401, {"title": "expired"})

    api.answers["GET /cluster"] = cluster
    api.answers["POST /auth/refresh"] = Answer(
        body={"access_token": "access-one", "refresh_token": "refresh-one"}
    )
    target = Target(
        servers=(api.url,),
        ca_pem=api.ca_file.read_text(),
        access_token="access-zero",
        refresh_token="refresh-zero",
    )
    client = Client(target, on_refreshed=renewed.append)
    assert client.get("/cluster") == {"ok": True}
    assert api.asked() == ["GET /cluster", "POST /auth/refresh", "GET /cluster"]
    assert api.requests[1].body == {"refresh_token": "refresh-zero"}
    assert "Authorization" not in api.requests[1].headers
    assert renewed == [Session(access_token="access-one", refresh_token="refresh-one")]
    assert "access-one" not in repr(renewed)
    assert "access-zero" not in repr(target)


def test_a_session_that_cannot_be_renewed_is_over(api: StubApi) -> None:
    api.answers["GET /cluster"] = Answer(401, {"title": "expired"})
    api.answers["POST /auth/refresh"] = Answer(401, {"title": "reused"})
    with pytest.raises(ApiRefused, match="expired"):
        a_client(api, refresh_token="refresh-zero").get("/cluster")
    assert api.asked() == ["GET /cluster", "POST /auth/refresh"]


# ---- streams ------------------------------------------------------------------------------------


def test_a_stream_is_read_line_by_line(api: StubApi) -> None:
    api.answers["GET /logs/web"] = Answer(content=b'{"text": "a"}\n\n{"text": "b"}\n')
    assert [line["text"] for line in a_client(api).lines("/logs/web", follow=True)] == ["a", "b"]
    assert api.requests[0].headers["Accept"] == "application/x-ndjson"


def test_an_error_in_a_stream_ends_it(api: StubApi) -> None:
    api.answers["GET /logs/web"] = Answer(content=b'{"text": "a"}\n{"error": "h2 is gone"}\n')
    lines = a_client(api).lines("/logs/web")
    assert next(lines) == {"text": "a"}
    with pytest.raises(CommandFailed, match="h2 is gone"):
        next(lines)


def test_a_name_is_one_segment_of_a_path() -> None:
    assert segment("a/../b?c#d e") == "a%2F..%2Fb%3Fc%23d%20e"
    for none in ("", " ", ".", ".."):
        with pytest.raises(UsageWrong, match="is no name or id"):
            segment(none)


# ---- where to --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "url"),
    [
        ("h1", "https://h1:7443"),
        ("h1:8443", "https://h1:8443"),
        ("https://h1/", "https://h1:7443"),
        ("https://h1:8443", "https://h1:8443"),
        ("[fd00::1]", "https://[fd00::1]:7443"),
        ("[fd00::1]:8443", "https://[fd00::1]:8443"),
    ],
)
def test_an_address_may_be_short(given: str, url: str) -> None:
    assert normalized(given) == url


@pytest.mark.parametrize(
    "given",
    [
        "http://h1",
        "https://h1/path",
        "https://",
        "ftp://x",
        "a b",
        "h1:0",
        "h1:99999",
        "h1:abc",
        "h1:",
        "\n",
        "h\u00e4",
    ],
)
def test_an_address_that_is_none_is_a_wrong_call(given: str) -> None:
    with pytest.raises(UsageWrong):
        normalized(given)


CONTEXT = Context(name="lab", servers=("https://h1:7443",), ca_pem="CA", access_token="t", refresh_token="r")


def resolved(*flags: str, environment: dict[str, str] | None = None, context: Context = CONTEXT) -> Target:
    args = build_parser().parse_args([*flags, "status"])
    return resolve_target(args, context, environment or {})


def test_the_remembered_cluster_is_asked_unless_another_is_named(tmp_path: Path) -> None:
    other = tmp_path / "ca.pem"
    other.write_text("OTHER")
    assert resolved() == Target(
        servers=("https://h1:7443",), ca_pem="CA", access_token="t", refresh_token="r"
    )
    assert resolved("--server", "h2").servers == ("https://h2:7443",)
    assert resolved(environment={"TOWER_SERVER": "h3"}).servers == ("https://h3:7443",)
    assert resolved("--server", "h2", environment={"TOWER_SERVER": "h3"}).servers == ("https://h2:7443",)
    assert resolved(context=Context(name="none")).servers == ("https://127.0.0.1:7443",)


def test_a_session_goes_only_where_its_cluster_has_proved_itself(tmp_path: Path) -> None:
    other = tmp_path / "ca.pem"
    other.write_text("OTHER")
    assert resolved("--ca", str(other)).access_token == ""
    without_ca = Context(name="x", servers=("https://h1:7443",), access_token="t")
    assert resolved("--server", "h2", context=without_ca).access_token == ""
    assert resolved("--server", "h1", context=without_ca).access_token == "t"


def test_a_token_comes_from_the_flag_a_file_or_the_environment(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("from-file\n")
    assert resolved("--token", "x").access_token == "x"
    assert resolved("--token", f"@{file}").access_token == "from-file"
    assert resolved(environment={"TOWER_TOKEN": "y"}).access_token == "y"
    assert resolved("--token", "x").refresh_token == ""
    with pytest.raises(CommandFailed, match="cannot read /nowhere"):
        resolved("--token", "@/nowhere")


@pytest.mark.parametrize("token", ["two words", "two\nlines", "h\u00e4\u00df", "\x00"])
def test_a_token_that_cannot_be_one_is_refused_without_showing_it(token: str) -> None:
    with pytest.raises(UsageWrong, match="characters that no token has") as wrong:
        resolved("--token", token)
    assert token not in str(wrong.value)


# ---- what is remembered -------------------------------------------------------------------------


def test_contexts_are_kept_for_their_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "new" / "context.json"
    save_contexts(ContextFile().with_context(CONTEXT, make_current=True), path)
    assert load_contexts(path) == ContextFile(current="lab", contexts={"lab": CONTEXT})
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert [entry.name for entry in path.parent.iterdir()] == ["context.json"]


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"current": "a", "contexts": {"a": {"x": 1}}}', "\xff"])
def test_a_damaged_file_says_what_to_do(tmp_path: Path, content: str) -> None:
    path = tmp_path / "context.json"
    path.write_bytes(content.encode("latin-1"))
    with pytest.raises(CommandFailed) as failed:
        load_contexts(path)
    assert "log in" in failed.value.hint


def test_an_unknown_context_is_named_with_those_there_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    save_contexts(ContextFile().with_context(CONTEXT, make_current=True))
    with pytest.raises(CommandFailed, match=r"no context 'prod'; known: lab"):
        connect(build_parser().parse_args(["--context", "prod", "status"]))
