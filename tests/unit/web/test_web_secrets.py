"""Secrets, configs and registry logins: a secret's value goes in, and nothing that is shown has it."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from cluster.commands import encode
from cluster.commands.envelope import Envelope
from cluster.commands.secrets import PutFile, RemoveFile
from cluster.compose import ComposeProject, ComposeService, InlineConfig
from cluster.identity.stored_secrets import open_content, open_password
from cluster.model.access import Role
from cluster.model.ids import ServiceId, TokenPrefix
from cluster.model.inventory import HostRefused, HostUnavailable
from cluster.model.secrets import CONTENT_BYTES_MAX, FileKind
from cluster.model.service import FileReference, RolloutPolicy, ServiceSpec
from cluster.store import records
from cluster.store.tables import ALL_TABLES
from tests.support.api_caller import ApiCaller
from tests.support.web_fakes import WebWorld, a_web_world, log_in, serving
from web.auth.authority import Authority
from web.auth.call import Call, Credential, Identity
from web.auth.problems import Problem
from web.server import build_app
from web.tools.catalog import REGISTRY
from web.tools.context import CONTEXT
from web.tools.file_pins import SERVICE_BYTES_MAX, pin_files, require_use

VALUE = "sk_live_51Hd8-a-value-nobody-may-see"


class Api(ApiCaller):
    async def put(self, path: str, **body: Any) -> tuple[int, Any]:
        return await self.ask("PUT", path, json=body)


@asynccontextmanager
async def logged_in(world: WebWorld, role: Role = Role.OPERATOR) -> AsyncIterator[Api]:
    world.add_user("ann", role)
    async with serving(world) as client:
        yield Api(client, await log_in(client, "ann"))


def the_value(world: WebWorld, name: str = "stripe_key", version: int = 1, environment: str = "") -> bytes:
    with world.state.read() as txn:
        content = records.FILE_CONTENTS.get(txn, "secret", environment, name, version)
    assert content is not None
    return open_content(content, world.cluster.keyring())


def everything(world: WebWorld) -> bytes:
    """All rows of the state."""
    found = []
    with world.state.read() as txn:
        for table in ALL_TABLES:
            found += [key + value for key, value in txn.scan(table)]
    return b"\n".join(found)


def is_shown(value: str, *shown: object) -> bool:
    text = " ".join(each.decode(errors="replace") if isinstance(each, bytes) else str(each) for each in shown)
    encoded = base64.b64encode(value.encode()).decode().rstrip("=")
    return value in text or encoded in text


# ---- secrets ----------------------------------------------------------------------------------


async def test_a_secret_is_kept_for_the_containers_and_shown_to_nobody() -> None:
    world = a_web_world()
    async with logged_in(world) as api:
        put = await api.put("/secrets/stripe_key", value=VALUE)
        shown = [put, await api.ask("GET", "/secrets"), await api.ask("GET", "/secrets/stripe_key")]
    assert put[0] == 200
    assert put[1]["versions"][0]["size_bytes"] == len(VALUE)
    assert the_value(world) == VALUE.encode()
    assert not is_shown(VALUE, shown, everything(world), world.state.audit())
    assert shown[2][0] == 405


async def test_the_record_of_a_secret_says_who_and_which() -> None:
    world = a_web_world()
    async with logged_in(world) as api:
        await api.put("/secrets/stripe_key?environment=prod", value=VALUE)
    entry = world.state.audit()[-1]
    assert (entry.stamp.action, entry.stamp.resource) == ("secret.put", "secret:prod/stripe_key")
    assert (entry.stamp.principal_name, entry.command) == ("ann", "put-file")


async def test_the_log_holds_a_secret_sealed() -> None:
    world = a_web_world()
    proposed: list[object] = []
    propose = world.state.propose

    async def spying(command: object, **options: Any) -> Any:
        proposed.append(command)
        return await propose(command, **options)

    world.state.propose = spying  # type: ignore[method-assign]  # to see what goes to the log
    async with logged_in(world) as api:
        await api.put("/secrets/stripe_key", value=VALUE)
    (command,) = [each for each in proposed if isinstance(each, PutFile)]
    data = encode(Envelope(client_id="c", sequence=1, time_ms=1, leader_term=0, audit=None, command=command))
    assert not is_shown(VALUE, data, repr(command))


async def test_every_put_is_a_new_version_also_of_the_same_value() -> None:
    # Otherwise a put would tell whether a guess is right.
    world = a_web_world()
    async with logged_in(world) as api:
        await api.put("/secrets/stripe_key", value=VALUE)
        _, answer = await api.put("/secrets/stripe_key", value=VALUE)
    assert [version["version"] for version in answer["versions"]] == [2, 1]
    with world.state.read() as txn:
        contents = {each.content for each in records.FILE_CONTENTS.scan(txn, "secret")}
    assert len(contents) == 2


async def test_a_secret_may_be_any_bytes() -> None:
    world = a_web_world()
    async with logged_in(world) as api:
        encoded = base64.b64encode(b"\x00\xff\n").decode()
        status, _ = await api.put("/secrets/stripe_key", value_base64=encoded)
    assert (status, the_value(world)) == (200, b"\x00\xff\n")


async def test_a_generated_secret_is_seen_by_nobody() -> None:
    world = a_web_world()
    async with logged_in(world) as api:
        _, answer = await api.put("/secrets/stripe_key", generate_bytes=32)
    value = the_value(world).decode()
    assert len(base64.urlsafe_b64decode(value + "=")) == 32
    assert not is_shown(value, answer)


async def test_somebody_elses_version_is_gone_past() -> None:
    world = a_web_world()
    propose = world.state.propose
    is_first = True

    async def slower(command: object, **options: Any) -> Any:
        nonlocal is_first
        if isinstance(command, PutFile) and is_first:
            is_first = False
            world.state.must(
                PutFile(kind=command.kind, name=command.name, version=1, content=b"x" * 40, created_by="bob")
            )
        return await propose(command, **options)

    world.state.propose = slower  # type: ignore[method-assign]  # another host is quicker
    async with logged_in(world) as api:
        status, answer = await api.put("/secrets/stripe_key", value=VALUE)
    assert (status, answer["newest"]) == (200, 2)
    assert the_value(world, version=2) == VALUE.encode()


@pytest.mark.parametrize(
    ("name", "body", "field"),
    [
        ("stripe_key", {}, "value"),
        ("stripe_key", {"value": VALUE, "value_base64": "eA=="}, "value"),
        ("stripe_key", {"value": ""}, None),
        ("stripe_key", {"value_base64": f"!{VALUE}"}, "value_base64"),
        ("stripe_key", {"value": "x" * (CONTENT_BYTES_MAX + 1)}, "value"),
        ("stripe_key", {"value": 17}, "value"),
        ("stripe_key", {"vaule": VALUE}, "vaule"),
        ("stripe_key", {"generate_bytes": 15}, "generate_bytes"),
        ("stripe_key", {"generate_bytes": 1025}, "generate_bytes"),
        ("no%20name", {"value": VALUE}, "name"),
        ("x" * 64, {"value": VALUE}, "name"),
        ("stripe_key?environment=No_Name", {"value": VALUE}, "environment"),
    ],
)
async def test_what_is_wrong_with_a_secret_is_told_without_its_value(
    name: str, body: dict[str, Any], field: str | None
) -> None:
    world = a_web_world()
    async with logged_in(world) as api:
        status, answer = await api.put(f"/secrets/{name}", **body)
    if field is None:
        assert status == 200
        return
    assert status == 422, answer
    assert answer["errors"][0]["field"] == field
    assert answer["errors"][0]["rule"]
    assert not is_shown(VALUE, answer)
    with world.state.read() as txn:
        assert records.FILES.scan(txn) == []


@pytest.mark.parametrize("kind", ["secrets", "configs"])
async def test_viewers_see_names_and_put_nothing(kind: str) -> None:
    world = a_web_world()
    async with logged_in(world, Role.VIEWER) as api:
        listed, _ = await api.ask("GET", f"/{kind}")
        put, _ = await api.put(f"/{kind}/x", value=VALUE)
        content, _ = await api.ask("GET", "/configs/x")
    assert (listed, put, content) == (200, 403, 403)
    assert not is_shown(VALUE, world.state.audit())


async def test_operators_put_and_only_administrators_remove() -> None:
    world = a_web_world()
    async with logged_in(world) as api:
        assert (await api.put("/secrets/x", value=VALUE))[0] == 200
        assert (await api.ask("DELETE", "/secrets/x"))[0] == 403
    world.add_user("root", Role.ADMIN)
    async with serving(world) as client:
        api = Api(client, await log_in(client, "root"))
        assert (await api.ask("DELETE", "/secrets/x"))[0] == 204
        assert (await api.ask("DELETE", "/secrets/x"))[0] == 404


@pytest.mark.parametrize("name", ["x", "no%20name", "..."])
async def test_what_is_not_there_is_not_removed(name: str) -> None:
    async with logged_in(a_web_world(), Role.ADMIN) as api:
        status, answer = await api.ask("DELETE", f"/secrets/{name}")
    assert status == 404
    assert "tower secret list" in answer["hint"]


# ---- configs ----------------------------------------------------------------------------------


async def test_a_config_is_shown_in_the_version_that_is_asked_for() -> None:
    world = a_web_world()
    async with logged_in(world) as api:
        await api.put("/configs/web.conf", value="listen 80\n")
        await api.put("/configs/web.conf", value_base64="/w==")
        _, first = await api.ask("GET", "/configs/web.conf?version=1")
        _, newest = await api.ask("GET", "/configs/web.conf")
        status, missing = await api.ask("GET", "/configs/web.conf?version=9")
    assert (first["value"], first["value_base64"]) == ("listen 80\n", None)
    assert (newest["version"], newest["value"], newest["value_base64"]) == (2, None, "/w==")
    assert (status, "kept are 1, 2" in missing["detail"]) == (404, True)


# ---- registries -------------------------------------------------------------------------------


async def test_a_password_of_a_registry_is_kept_for_the_hosts_and_shown_to_nobody() -> None:
    world = a_web_world()
    async with logged_in(world, Role.ADMIN) as api:
        put = await api.put("/registries/GHCR.io", username="ci", password=VALUE)
        listed = await api.ask("GET", "/registries")
    with world.state.read() as txn:
        (kept,) = records.REGISTRY_CREDENTIALS.scan(txn)
    assert (kept.registry, kept.username) == ("ghcr.io", "ci")
    assert open_password(kept, world.cluster.keyring()) == VALUE.encode()
    assert (put[1]["said"], put[1]["problem"]) == ("Login Succeeded", None)
    assert listed[1]["items"] == [put[1] | {"said": None}]
    assert world.hosts.tried == [("ghcr.io", "ci", VALUE)]
    assert not is_shown(VALUE, put, listed, everything(world), world.state.audit())
    entry = world.state.audit()[-1]
    assert (entry.stamp.action, entry.stamp.resource) == ("registry.login", "registry:ghcr.io")


async def test_a_login_that_the_registry_refuses_is_not_kept_and_no_answer_has_the_password() -> None:
    world = a_web_world()
    world.hosts.login_failure = HostRefused(f"registry ghcr.io refused user ci: {VALUE}", code="refused")
    async with logged_in(world, Role.ADMIN) as api:
        status, answer = await api.put("/registries/ghcr.io", username="ci", password=VALUE)
        assert status == 422
        assert "refused user ci: ...; nothing was changed" in answer["detail"]
        assert not is_shown(VALUE, answer, world.state.audit())
        assert (await api.ask("GET", "/registries"))[1]["items"] == []
        unchecked = await api.put("/registries/ghcr.io", username="ci", password=VALUE, check_login=False)
    assert unchecked[0] == 200
    assert (unchecked[1]["said"], unchecked[1]["problem"]) == (None, None)
    assert len(world.hosts.tried) == 1


async def test_a_login_that_cannot_be_tried_from_here_is_kept_and_says_why() -> None:
    world = a_web_world()
    world.hosts.login_failure = HostUnavailable("this host cannot reach the registry")
    async with logged_in(world, Role.ADMIN) as api:
        status, answer = await api.put("/registries/ghcr.io", username="ci", password=VALUE)
        assert (status, answer["said"]) == (200, None)
        assert answer["problem"] == "this host cannot reach the registry"
        assert len((await api.ask("GET", "/registries"))[1]["items"]) == 1


async def test_docker_hub_has_one_name() -> None:
    world = a_web_world()
    async with logged_in(world, Role.ADMIN) as api:
        await api.put("/registries/index.docker.io", username="ci", password=VALUE)
        assert (await api.put("/registries/host.example%3A5000", username="ci", password=VALUE))[0] == 200
        assert (await api.ask("DELETE", "/registries/docker.io"))[0] == 204
        assert (await api.ask("DELETE", "/registries/docker.io"))[0] == 404


@pytest.mark.parametrize(
    ("registry", "body", "field"),
    [
        ("-", {"username": "ci", "password": VALUE}, "registry"),
        ("a%20b", {"username": "ci", "password": VALUE}, "registry"),
        ("ghcr.io", {"username": "", "password": VALUE}, "username"),
        ("ghcr.io", {"username": "c\ni", "password": VALUE}, "username"),
        ("ghcr.io", {"username": "ci", "password": ""}, "password"),
        ("ghcr.io", {"username": "ci", "password": VALUE * 200}, "password"),
        ("ghcr.io", {"username": "ci"}, "password"),
        ("ghcr.io", {"username": "ci", "pasword": VALUE}, "password"),
    ],
)
async def test_what_is_wrong_with_a_login_is_told_without_the_password(
    registry: str, body: dict[str, Any], field: str
) -> None:
    async with logged_in(a_web_world(), Role.ADMIN) as api:
        status, answer = await api.put(f"/registries/{registry}", **body)
    assert status == 422, answer
    assert field in [error["field"] for error in answer["errors"]]
    assert not is_shown(VALUE, answer)


async def test_operators_see_logins_and_change_none() -> None:
    async with logged_in(a_web_world()) as api:
        assert (await api.ask("GET", "/registries"))[0] == 200
        assert (await api.put("/registries/ghcr.io", username="ci", password=VALUE))[0] == 403
        assert (await api.ask("DELETE", "/registries/ghcr.io"))[0] == 403


# ---- what a deployment gets -------------------------------------------------------------------


def a_project(
    *secrets: str, configs: tuple[str, ...] = (), inline: str | None = None, version: int = 0
) -> ComposeProject:
    spec = ServiceSpec(
        image="registry.example/shop:1",
        secrets=tuple(
            FileReference(source=name, target=f"/run/secrets/{name}", version=version) for name in secrets
        ),
        configs=tuple(FileReference(source=name, target=f"/{name}") for name in configs),
    )
    service = ComposeService(
        service_id=ServiceId("shop.web"), name="web", spec=spec, replicas=1, policy=RolloutPolicy()
    )
    kept = () if inline is None else (InlineConfig(key="web.conf", name="shop_web.conf", content=inline),)
    return ComposeProject(name="shop", services=(service,), configs=kept)


def put(world: WebWorld, name: str, *, environment: str = "", version: int = 1, size: int = 40) -> None:
    world.state.must(
        PutFile(
            kind=FileKind.SECRET,
            name=name,
            version=version,
            content=b"x" * size,
            created_by="ann",
            environment=environment,
        )
    )


def pinned(world: WebWorld, project: ComposeProject, environment: str = "") -> ServiceSpec:
    with world.state.read() as txn:
        found = pin_files(txn, project, environment=environment, by="ann")
    for command in found.inline:
        world.state.must(command)
    return found.services[0].spec


def test_a_service_is_pinned_to_the_newest_version() -> None:
    world = a_web_world()
    put(world, "stripe_key")
    put(world, "stripe_key", version=2)
    (reference,) = pinned(world, a_project("stripe_key")).secrets
    assert (reference.version, reference.environment) == (2, "")


def test_what_an_environment_has_of_its_own_comes_first() -> None:
    world = a_web_world()
    put(world, "a")
    put(world, "b")
    put(world, "a", environment="prod")
    spec = pinned(world, a_project("a", "b"), "prod")
    assert [reference.environment for reference in spec.secrets] == ["prod", ""]


def test_names_that_are_not_known_are_told_all_at_once_with_what_to_do() -> None:
    world = a_web_world()
    put(world, "known")
    with pytest.raises(Problem) as caught:
        pinned(world, a_project("known", "stripe_key", configs=("web.conf",)))
    assert caught.value.status == 422
    fields = [error.field for error in caught.value.errors]
    assert fields == ["services.web.secrets[1]", "services.web.configs[0]"]
    assert "tower secret put stripe_key" in caught.value.errors[0].hint
    assert "tower config put web.conf" in caught.value.errors[1].hint


def test_a_removed_secret_is_not_known() -> None:
    world = a_web_world()
    put(world, "stripe_key")
    world.state.must(RemoveFile(kind=FileKind.SECRET, name="stripe_key"))
    with pytest.raises(Problem, match="there is no secret stripe_key"):
        pinned(world, a_project("stripe_key"))


def test_a_version_that_is_asked_for_is_taken_or_refused() -> None:
    world = a_web_world()
    put(world, "k")
    put(world, "k", version=2)
    assert pinned(world, a_project("k", version=1)).secrets[0].version == 1
    with pytest.raises(Problem, match="has no version 3; kept are 1, 2"):
        pinned(world, a_project("k", version=3))


def test_a_config_that_stands_in_the_file_is_kept_once_as_long_as_it_is_the_same() -> None:
    world = a_web_world()
    numbers = [
        pinned(world, a_project(configs=("shop_web.conf",), inline=content)).configs[0].version
        for content in ("listen 80", "listen 80", "listen 81")
    ]
    assert numbers == [1, 1, 2]


def test_a_config_in_the_file_that_is_too_large_is_refused_by_its_place() -> None:
    project = a_project(configs=("shop_web.conf",), inline="x" * (CONTENT_BYTES_MAX + 1))
    with pytest.raises(Problem) as caught:
        pinned(a_web_world(), project)
    assert caught.value.errors[0].field == "configs.web.conf.content"


def test_all_files_of_a_service_together_are_bounded() -> None:
    world = a_web_world()
    names = [f"s{number}" for number in range(SERVICE_BYTES_MAX // CONTENT_BYTES_MAX + 1)]
    for name in names:
        put(world, name, size=CONTENT_BYTES_MAX)
    with pytest.raises(Problem) as caught:
        pinned(world, a_project(*names))
    assert caught.value.errors[0].field == "services.web"


@pytest.mark.parametrize("scopes", [frozenset({"service.deploy"}), frozenset({"secret.use"})])
async def test_a_token_deploys_only_secrets_it_may_use(scopes: frozenset[str]) -> None:
    world = a_web_world()
    put(world, "stripe_key")
    identity = Identity(
        principal_id=world.add_user("ci", Role.OPERATOR),
        name="ci",
        role=Role.OPERATOR,
        credential=Credential.API_TOKEN,
        epoch=1,
        token_prefix=TokenPrefix("tp_1"),
        scopes=scopes,
    )
    call = Call(identity=identity, request_id="rq_1", ip="192.0.2.1", user_agent="test", started_s=0.0)
    services = a_project("stripe_key").services
    if "secret.use" in scopes:
        await require_use(Authority(world.surroundings), call, services)
        return
    with pytest.raises(Problem, match=r"not for secret\.use"):
        await require_use(Authority(world.surroundings), call, services)


# ---- tools ------------------------------------------------------------------------------------


async def test_programs_make_secrets_and_never_see_one() -> None:
    world = a_web_world()
    context = build_app(world.surroundings)[CONTEXT]
    identity = Identity(
        principal_id=world.add_user("ai", Role.OPERATOR),
        name="ai",
        role=Role.OPERATOR,
        credential=Credential.API_TOKEN,
        epoch=1,
    )
    call = Call(identity=identity, request_id="rq_1", ip="192.0.2.1", user_agent="test", started_s=0.0)
    made = await REGISTRY.call(context, call, "generate-secret", {"name": "db_password"})
    listed = await REGISTRY.call(context, call, "list-secrets", {})
    value = the_value(world, "db_password").decode()
    assert not is_shown(value, made, listed)
    assert listed.structured is not None
    assert listed.structured["items"] == [made.structured]
    await REGISTRY.call(context, call, "put-config", {"name": "web.conf", "content": "listen 80"})
    shown = await REGISTRY.call(context, call, "get-config", {"name": "web.conf"})
    assert "listen 80" in shown.text
    refused = {"name": "x", "value": VALUE}
    with pytest.raises(Problem) as caught:
        await REGISTRY.call(context, call, "generate-secret", refused)
    assert not is_shown(VALUE, caught.value.detail, caught.value.errors)
