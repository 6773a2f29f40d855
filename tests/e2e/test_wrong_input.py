"""What people get wrong and what anybody may send: an answer that says what to do, and an agent that goes on.

Against agents as processes, through the command line, HTTP and bare sockets. A full
disk and what only a real Docker says are in test_wrong_machine.py.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import random
import socket
import ssl
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from agent.keys.identity import IdentityDirectory
from agent.peers.protocol import BEAT
from cluster.encoding import pack
from cluster.identity.join_tokens import format_join_token, new_join_token
from cluster.raft.wire import MAX_FRAME_BYTES
from tests.support.agent_process import wait_until
from tests.support.commanded_agent import DONE, REFUSED, USAGE, Call, CommandedAgent, differing, running
from tests.support.requirements import require_program

pytestmark = pytest.mark.timeout(180)


@pytest.fixture(scope="module")
def alpha(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CommandedAgent]:
    """A running cluster of one, without Docker. No test may leave it worse than it was."""
    with running(tmp_path_factory.mktemp("wrong"), "alpha") as (agent,):
        agent.init()
        agent.start()
        yield agent
        assert agent.is_running, agent.tail()
        assert not [event for event in agent.events() if "exception" in event], agent.tail()


@pytest.fixture(scope="module")
def admin(alpha: CommandedAgent) -> str:
    """An administrator's API token."""
    body = {"name": "wrong-input", "role": "admin", "ttl_s": 3600}
    status, answer = alpha.request("POST", "/api/v1/tokens", body, token=alpha.login())
    assert status == 201, answer
    return str(answer["token"])


# ---- calls ---------------------------------------------------------------------------------------


def test_a_wrong_call_ends_with_2_and_what_to_write_instead(alpha: CommandedAgent, admin: str) -> None:
    calls = {
        "tower statsu": "did you mean 'status'?",
        "tower node drain": "required: NODE",
        "tower token create --ttl soon": "'soon' is not a time such as 90s, 30m, 24h or 7d",
        "tower token revoke ..": "'..' is no name or id",
        "tower status --server 10.0.0.5:99999": "a port between 1 and 65535",
        "tower status --server http://h1": "is not the address of a host",
        "tower join 10.0.0.5:port --token x": "is not the address of a host",
        "tower leave": "confirm with --yes",
        "tower remove web": "confirm with --yes",
        "tower scale web": "such as tower scale shop.web=5",
        "tower traffic web --new 200%": "a share from 0% to 100%",
        "tower traffic web --force": "says nothing without a share",
        "tower deploy x --strategy fast": "there is no 'fast'",
        "tower recover": "add --yes-lose-unreplicated-writes",
        "tower config check --set node.nam=x": "did you mean node.name?",
        "tower run --set listen.api=7443": 'listen.api = "7443": must be "host:port"',
    }
    assert not differing(
        [
            (partial(alpha.cli, *line.split()[1:], TOWER_TOKEN=admin), USAGE, words)
            for line, words in calls.items()
        ]
        + [
            (lambda: alpha.cli("deploy", "-", "--variable", "TAG", TOWER_TOKEN=admin), USAGE, "no '='"),
            (lambda: alpha.cli("status", TOWER_TOKEN="two words"), USAGE, "copy the whole token again"),
        ]
    )


def test_what_is_refused_ends_with_1_and_names_value_rule_and_next_step(
    alpha: CommandedAgent, admin: str
) -> None:
    calls = {
        "node rm nobody": "there is no host 'nobody'\n  hint: the cluster has alpha",
        "token create --uses 0": "uses = 0: must be at least 1",
        "token create --ttl 365d": "ttl_s = 31536000: must be at most 2592000",
        "token revoke nothing": "there is no join token 'nothing'\n  hint: `tower token list` lists them",
        "audit --limit 0": 'limit = "0": must be at least 1',
        "ps --node nobody": "there is no host 'nobody'",
        "logs nothing": "it may be on a host that cannot be asked now: alpha",
        "container stop nothing": "there is no container 'nothing'",
        "rollout status nothing": "`tower rollout list` shows those that are remembered",
        "rollout approve nothing": "there is no rollout 'nothing', and no service of that name",
        "rollback nothing": "there is no service 'nothing'\n  hint: `tower services` lists them",
        "scale nothing=2": "there is no service 'nothing'",
        "scale nothing=2000": "replicas = 2000: must be at most 1000",
        "traffic nothing": "there is no service 'nothing'",
        "history nothing": "there is no service 'nothing'",
        "compare nothing 0": 'before = "0": must be at least 1',
        "status --context nowhere": "`tower login` makes one",
        "status --server 127.0.0.1:1": "connection refused\n  hint: is the agent running there?",
        "mcp --server 127.0.0.1:1": "connection refused\n  hint: is the agent running there?",
        f"status --server 127.0.0.1:{alpha.raft_port}": "a port for members of the cluster alone",
        "status --token @/nowhere": "cannot read /nowhere (--token): No such file or directory",
        "deploy /nowhere": "cannot read /nowhere: No such file or directory",
    }
    assert not differing(
        [
            (partial(alpha.cli, *line.split(), TOWER_TOKEN=admin), REFUSED, words)
            for line, words in calls.items()
        ]
    )


# ---- who asks ------------------------------------------------------------------------------------


def test_a_wrong_token_is_told_from_none_and_from_another_cluster_s(
    alpha: CommandedAgent, admin: str
) -> None:
    prefix = admin.split("_")[1]
    mistyped = admin[:-1] + ("0" if admin[-1] != "0" else "1")
    assert not differing(
        [
            (lambda: alpha.cli("status"), REFUSED, "log in"),
            (lambda: alpha.cli("status", TOWER_TOKEN=mistyped), REFUSED, "a character is mistyped"),
            (lambda: alpha.cli("mcp", TOWER_TOKEN=mistyped), REFUSED, "a character is mistyped"),
            (lambda: alpha.cli("status", TOWER_TOKEN="eyJ.x.y"), REFUSED, "not an access token"),
            (
                lambda: alpha.cli("login", TOWER_PASSWORD="wrong"),
                REFUSED,
                "the name or the password is wrong",
            ),
        ]
    )
    status, answer = alpha.request("GET", "/api/v1/nodes", token=mistyped)
    assert (status, answer["type"]) == (401, "urn:tower:problem:not-authenticated")
    assert prefix not in json.dumps(answer), "what was sent is not repeated"


def test_what_has_expired_says_so_and_what_to_do(tmp_path: Path) -> None:
    hour_s = 3600
    with running(tmp_path, "alpha", "beta") as (alpha, beta):
        alpha.init()
        alpha.start()
        session = alpha.login()
        body = {"name": "short", "role": "viewer", "ttl_s": hour_s}
        api_token = alpha.request("POST", "/api/v1/tokens", body, token=session)[1]["token"]
        body = {"ttl_s": hour_s, "uses": 1, "learner": False}
        join_token = alpha.request("POST", "/api/v1/join-tokens", body, token=session)[1]["token"]
        assert alpha.stop() == 0
        alpha.start_ahead(2 * hour_s)
        host = f"127.0.0.1:{alpha.api_port}"
        assert not differing(
            [
                (lambda: alpha.cli("status", TOWER_TOKEN=session), REFUSED, "log in"),
                (
                    lambda: alpha.cli("status", TOWER_TOKEN=api_token),
                    REFUSED,
                    "expired 1 h ago; make another",
                ),
                (
                    lambda: beta.cli("join", host, "--token", join_token, "--no-start"),
                    REFUSED,
                    "make another with `tower token create`",
                ),
            ]
        )
        status, answer = alpha.request("GET", "/api/v1/nodes", token=session)
        assert (status, "expired" in answer["detail"]) == (401, True), answer
        assert not beta.directory.joinpath("identity").exists()


# ---- certificates and membership -----------------------------------------------------------------


def fingerprint_of(ca: Path) -> str:
    return hashlib.sha256(ssl.PEM_cert_to_DER_cert(ca.read_text())).hexdigest()


def test_a_cluster_with_another_ca_is_not_trusted_by_file_fingerprint_or_join_token(
    alpha: CommandedAgent, admin: str, tmp_path: Path
) -> None:
    with running(tmp_path, "other", "beta") as (other, beta):
        printed = other.tower("init", "--no-start").stdout
        not_it = fingerprint_of(other.ca)
        assert not_it in printed, "what `tower login` asks about can be compared with this"
        foreign, _ = new_join_token(
            ca_fingerprint=bytes.fromhex(not_it),
            token_id_seed=b"other",
            secret=b"s" * 32,
            created_by="admin",
            now_ms=0,
            ttl_ms=1,
        )
        host = f"127.0.0.1:{alpha.api_port}"
        seen = fingerprint_of(alpha.ca)
        assert not differing(
            [
                (
                    lambda: alpha.cli("status", TOWER_CA=str(other.ca), TOWER_TOKEN=admin),
                    REFUSED,
                    "its certificate is not trusted",
                ),
                (
                    lambda: alpha.cli("status", TOWER_CA=str(alpha.log), TOWER_TOKEN=admin),
                    REFUSED,
                    "the CA is not a PEM certificate\n  hint: give the file with --ca FILE",
                ),
                (
                    lambda: alpha.cli("login", host, "--ca-fingerprint", not_it, TOWER_CA=""),
                    REFUSED,
                    f"its fingerprint is {seen}\n  hint: is that the cluster you meant?",
                ),
                (
                    lambda: alpha.cli("login", host, TOWER_CA=""),
                    REFUSED,
                    "compare it with what `tower init` printed",
                ),
                (
                    lambda: beta.cli("join", host, "--token", format_join_token(foreign), "--no-start"),
                    REFUSED,
                    "which is not the one in the token",
                ),
            ]
        )
        assert not beta.directory.joinpath("identity").exists()


def test_only_a_good_join_token_lets_a_host_in(alpha: CommandedAgent, admin: str, tmp_path: Path) -> None:
    host = f"127.0.0.1:{alpha.api_port}"

    def made(uses: int = 1) -> dict[str, Any]:
        body = {"ttl_s": 600, "uses": uses, "learner": True}
        status, answer = alpha.request("POST", "/api/v1/join-tokens", body, token=admin)
        assert status == 201, answer
        return dict(answer)

    good, revoked = made(), made()
    assert alpha.cli("token", "revoke", revoked["id"], TOWER_TOKEN=admin)[0] == DONE
    text = good["token"]
    mistyped = text[:-1] + ("A" if text[-1] != "A" else "B")
    with running(tmp_path, "beta", "gamma") as (beta, gamma):

        def join(token: str, *, where: str = host) -> Callable[[], tuple[int, str]]:
            return lambda: beta.cli("join", where, "--token", token, "--no-start")

        assert not differing(
            [
                (join(mistyped), REFUSED, "copy it whole, as `tower token create`"),
                (join(revoked["token"]), REFUSED, "was revoked; make another with `tower token create`"),
                (
                    join(text, where=f"127.0.0.1:{alpha.raft_port}"),
                    REFUSED,
                    "that is a port for members alone",
                ),
            ]
        )
        assert not beta.directory.joinpath("identity").exists(), "a refused host keeps nothing"
        beta.join(alpha, text)
        status, said = gamma.cli("join", host, "--token", text, "--no-start")
        assert (status, "make another with `tower token create`" in said) == (REFUSED, True), said
        assert alpha.cli("node", "rm", "beta", TOWER_TOKEN=admin)[0] == DONE


def test_a_second_init_and_a_join_of_a_member_change_nothing(alpha: CommandedAgent, admin: str) -> None:
    def files() -> dict[str, str]:
        below = alpha.directory / "identity"
        return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in below.iterdir()}

    before = files()
    token = alpha.request(
        "POST", "/api/v1/join-tokens", {"ttl_s": 600, "uses": 1, "learner": False}, token=admin
    )[1]["token"]
    already = "this host is already node alpha"
    next_step = "run `tower leave` first"
    for words in (("init",), ("join", f"127.0.0.1:{alpha.api_port}", "--token", token)):
        status, said = alpha.cli(*words, "--no-start")
        assert (status, already in said, next_step in said) == (REFUSED, True, True), said
    assert files() == before
    assert alpha.status("/readyz") == 200
    status, said = alpha.cli("run")
    assert (status, "is the agent running already?" in said) == (REFUSED, True), said
    assert alpha.is_running


# ---- ports ---------------------------------------------------------------------------------------


def test_a_port_that_is_taken_is_named_with_its_setting(tmp_path: Path) -> None:
    with running(tmp_path, "alpha") as (agent,):
        agent.init()
        ports = {"api": agent.api_port, "raft": agent.raft_port, "peers": agent.raft_port + 1}
        for name, port in ports.items():
            with socket.create_server(("127.0.0.1", port)):
                status, said = agent.cli("run")
            assert status == REFUSED, said
            assert f"listen.{name}" in said, said
            assert f"127.0.0.1:{port}" in said, said
            assert "another" in said or "other process" in said, said


def test_a_taken_port_for_services_is_said_once_and_the_agent_goes_on_without(tmp_path: Path) -> None:
    require_program("haproxy")
    # The sockets HAProxy makes need a short path.
    with (
        tempfile.TemporaryDirectory(prefix="tw-") as short,
        socket.create_server(("127.0.0.1", 0)) as taken,
        running(Path(short), "alpha") as (agent,),
    ):
        port = taken.getsockname()[1]
        agent.settings |= {"TOWER_HAPROXY_ENABLED": "true", "TOWER_HAPROXY_HTTP_PORT": str(port)}
        agent.init()
        agent.start()

        def said() -> list[str]:
            return [event["reason"] for event in agent.events() if event["event"] == "router.not_serving"]

        wait_until("it is said", lambda: said() != [], agent.tail)
        (reason,) = said()
        assert f"port {port} is in use by another program on this host: stop that, or set haproxy" in reason
        assert agent.status("/readyz") == 200
        agent.kill()


# ---- Compose files -------------------------------------------------------------------------------

COMPOSE = {
    "not YAML": ("name: x\nservices: [", "line 2, column 12: compose: not YAML"),
    "tabs": ("name: x\nservices:\n\tweb: {}", "indent with spaces, not with tabs"),
    "a list": ("- a\n- b\n", "line 1, column 1: compose: this is a list; a mapping is expected"),
    "empty": ("", "compose: must not be empty"),
    "no services": ("name: x\nservices: {}", "line 2, column 11: services: the file has no services"),
    "an unknown key": (
        "name: x\nservices:\n  web:\n    imag: nginx",
        "line 4, column 11: services.web.imag: 'imag' is not known; did you mean image?",
    ),
    "no image": ("name: x\nservices:\n  web: {ports: []}", "image is missing; name the image to run"),
    "a wrong type": (
        "name: x\nservices:\n  web:\n    image: a\n    ports: 80",
        "line 5, column 12: services.web.ports: this is the number 80; a list is expected",
    ),
    "a key twice": (
        "name: x\nservices:\n  web:\n    image: a\n    image: b",
        "line 5, column 5: services.web: 'image' is given twice; line 4 has it",
    ),
    "a refused key": (
        "name: x\nservices: {web: {image: a, pid: host}}",
        "'pid' is refused: it would take down a wall between the container and its host",
    ),
    "x-tower of a wrong type": (
        "name: x\nservices: {web: {image: a, x-tower: 5}}",
        "services.web.x-tower: this is the number 5; a mapping is expected",
    ),
    "an unknown key of x-tower": (
        "name: x\nservices: {web: {image: a, x-tower: {rout: {}}}}",
        "'rout' is not known; did you mean route?",
    ),
    "half a route": (
        "name: x\nservices: {web: {image: a, x-tower: {route: {host: a.example}}}}",
        "services.web.x-tower.route: port missing",
    ),
    "a variable that is not set": (
        "name: x\nservices: {web: {image: 'a:${TAG}'}}",
        "variable TAG is not set: give it, or a default",
    ),
    "a tag that would run code": (
        "name: x\nservices: {web: {image: !!python/object/apply:os.system [id]}}",
        "has no meaning here; leave it out",
    ),
    "a file that expands itself": (
        "a: &a [x,x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a,*a]\n"
        "c: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b,*b]\nd: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c,*c]\nx-e: [*d,*d,*d]",
        "more than 20000 values",
    ),
}


def test_a_bad_compose_file_is_refused_with_line_column_value_and_rule(
    alpha: CommandedAgent, admin: str, tmp_path: Path
) -> None:
    calls: list[Call] = []
    for number, (text, words) in enumerate(COMPOSE.values()):
        file = tmp_path / f"{number}.yaml"
        file.write_text(text)
        calls.append((partial(alpha.cli, "deploy", str(file), TOWER_TOKEN=admin), REFUSED, words))
    large, binary = tmp_path / "large.yaml", tmp_path / "binary.yaml"
    large.write_bytes(b"#" * (1 << 20) + b"\n")
    binary.write_bytes(b"name: \xff\xfe")
    calls += [
        (partial(alpha.cli, "deploy", str(large), TOWER_TOKEN=admin), REFUSED, "larger than 1 MiB"),
        (partial(alpha.cli, "deploy", str(binary), TOWER_TOKEN=admin), REFUSED, "not UTF-8 text (byte 7)"),
    ]
    assert not differing(calls)
    status, answer = alpha.request("GET", "/api/v1/services", token=admin)
    assert (status, answer["items"]) == (200, [])


def test_without_docker_everything_but_containers_goes_on_and_says_what_is_missing(
    alpha: CommandedAgent, admin: str, tmp_path: Path
) -> None:
    missing = "there is no Docker socket at /nonexistent/docker.sock: is Docker installed and running?"
    file = tmp_path / "compose.yaml"
    file.write_text("name: x\nservices: {web: {image: nginx}}")
    assert not differing(
        [
            (lambda: alpha.cli("ps", TOWER_TOKEN=admin), DONE, missing),
            (lambda: alpha.cli("node", "ls", TOWER_TOKEN=admin), DONE, "alpha"),
            (lambda: alpha.cli("status", TOWER_TOKEN=admin), DONE, "1 of 1 voters are well"),
            (lambda: alpha.cli("deploy", str(file), TOWER_TOKEN=admin), REFUSED, missing),
        ]
    )
    said = [event for event in alpha.events() if missing in json.dumps(event)]
    assert len([event for event in said if event["level"] in ("warning", "error")]) == 1, said


# ---- bytes ---------------------------------------------------------------------------------------

ANSWER_TIMEOUT_S = 3.0


def spoken(port: int, data: bytes, context: ssl.SSLContext | None = None, *, enough: bytes = b"\0") -> bytes:
    """What a port answers to `data` until it closes the connection, falls silent or has said `enough`.

    Over TLS when there is a context.
    """
    answer = b""
    with (
        contextlib.suppress(ConnectionError, ssl.SSLError, TimeoutError),
        socket.create_connection(("127.0.0.1", port), timeout=ANSWER_TIMEOUT_S) as plain,
        contextlib.ExitStack() as stack,
    ):
        connection = plain if context is None else stack.enter_context(context.wrap_socket(plain))
        connection.sendall(data)
        if context is None:
            connection.shutdown(socket.SHUT_WR)
        while enough not in answer and (part := connection.recv(65536)):
            answer += part
    return answer


def anybody() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def frame(body: bytes) -> bytes:
    return len(body).to_bytes(4, "big") + body


CHANCE = random.Random(11)
JUNK = {
    "nothing": b"",
    "line ends": b"\r\n\r\n",
    "another method": b"EXPLODE / HTTP/1.1\r\nHost: x\r\n\r\n",
    "a TLS hello": bytes.fromhex("16030100c8010000c40303") + CHANCE.randbytes(200),
    "a long frame": (MAX_FRAME_BYTES + 1).to_bytes(4, "big") + b"x" * 100,
    "a frame of no length": b"\0" * 4,
    "a byte": CHANCE.randbytes(1),
    "random bytes": CHANCE.randbytes(5000),
    "a line of random bytes": CHANCE.randbytes(300) + b"\r\n\r\n",
}


def test_random_bytes_on_every_port_change_nothing_and_are_not_a_page_of_log(
    alpha: CommandedAgent, admin: str
) -> None:
    lines_before = len(alpha.events())
    strangers = [
        (port, data, context)
        for port in (alpha.api_port, alpha.raft_port, alpha.raft_port + 1)
        for data in JUNK.values()
        for context in (None, anybody())
    ]
    with ThreadPoolExecutor(len(strangers)) as pool:
        answers = list(pool.map(lambda stranger: spoken(*stranger), strangers))
    for (port, _, _), answer in zip(strangers, answers, strict=True):
        assert b"Traceback" not in answer
        # 21: a TLS alert (RFC 8446, 5.1).
        assert port == alpha.api_port or answer[:1] in (b"", b"\x15"), "members' ports tell strangers nothing"
    assert alpha.request("GET", "/api/v1/nodes", token=admin)[0] == 200
    said = [event for event in alpha.events()[lines_before:] if event["level"] in ("warning", "error")]
    assert len(said) <= 5, said


def test_strangers_that_only_connect_keep_nobody_out(alpha: CommandedAgent, admin: str) -> None:
    lines_before = len(alpha.events())
    with contextlib.ExitStack() as stack:
        for port in (alpha.api_port, alpha.raft_port, alpha.raft_port + 1):
            for _ in range(200):
                stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=ANSWER_TIMEOUT_S))
        assert alpha.request("GET", "/api/v1/nodes", token=admin)[0] == 200
        handles = len(list(Path(f"/proc/{alpha.pid}/fd").iterdir()))
    assert handles < 500, "of 600 strangers only so many are held"
    said = [event for event in alpha.events()[lines_before:] if event["level"] in ("warning", "error")]
    assert len(said) <= 3, said


def test_a_member_that_sends_malformed_frames_loses_its_connection_and_nothing_else(
    alpha: CommandedAgent, admin: str, tmp_path: Path
) -> None:
    body = {"ttl_s": 600, "uses": 1, "learner": True}
    token = alpha.request("POST", "/api/v1/join-tokens", body, token=admin)[1]["token"]
    with running(tmp_path, "beta") as (beta,):
        beta.join(alpha, token)
        identity = IdentityDirectory(beta.directory / "identity").load()
        context = ssl.create_default_context(cafile=str(beta.ca))
        context.check_hostname = False
        context.load_cert_chain(beta.directory / "identity" / "node.pem")
        hello = frame(pack(["hello", 1, identity.node_id, identity.cluster_id, "9"]))
        for data in (b"", b"\x07", pack([99, 1]), pack(["hello", 1]), CHANCE.randbytes(500)):
            assert b"hello" not in spoken(alpha.raft_port, frame(data), context)
            assert b"hello" in spoken(alpha.raft_port, hello + frame(data), context), "a member is greeted"
        spoken(alpha.raft_port, hello + (MAX_FRAME_BYTES + 1).to_bytes(4, "big"), context)
        for data in (b"", b"\x07", CHANCE.randbytes(300)):
            head = f"POST {BEAT} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {len(data)}"
            answer = spoken(alpha.raft_port + 1, f"{head}\r\n\r\n".encode() + data, context)
            assert answer.startswith(b"HTTP/1.1 4"), answer
        assert alpha.cli("node", "rm", "beta", TOWER_TOKEN=admin)[0] == DONE
    assert alpha.request("GET", "/api/v1/nodes", token=admin)[0] == 200
    assert not [event for event in alpha.events() if event["level"] == "error"], alpha.tail()


def test_a_body_that_is_too_large_is_refused_before_it_has_arrived(alpha: CommandedAgent, admin: str) -> None:
    head = (
        "POST /api/v1/join-tokens HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        f"Authorization: Bearer {admin}\r\nContent-Length: 10000000000\r\n\r\n"
    )
    rule = b"larger than the 65536 bytes this address takes"
    answer = spoken(alpha.api_port, head.encode(), anybody(), enough=rule)
    assert answer.startswith(b"HTTP/1.1 413"), answer[:200]
    assert rule in answer
