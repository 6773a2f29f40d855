"""Secrets and configs of a host's replicas: there before a start, gone with the container, told to nobody."""

from __future__ import annotations

import logging
from dataclasses import replace

import pytest

from agent.execute.replica import config_hash
from agent.follow.stored_files import RegistryLogins, StoredFiles
from agent.ports import ContainerDetail, FilesRefused, Mount, PullRefused, PullRefusedReason, RegistryAuth
from cluster.commands.secrets import PutFile, PutRegistryCredential
from cluster.identity.stored_secrets import seal_password, seal_secret
from cluster.model.secrets import FileKind
from cluster.model.service import DesiredState, FileReference, ReplicaPhase, ServiceSpec
from tests.support.host_kit import IMAGE, FollowingHost, HostState, name_of
from tests.support.identity_builders import a_keyring, some_bytes
from tests.support.state_builders import a_spec

NAME = name_of()
STARTED, SERVING, DRAINING, REMOVED = DesiredState
VALUE = b"sk_live_51Hd8-a-value-nobody-may-see"
KEY = FileReference(source="stripe_key", target="/run/secrets/stripe_key", version=1)
CONF = FileReference(source="web.conf", target="/etc/web.conf", version=1, uid=1000, gid=1001, mode=0o440)


def with_files(image: str = IMAGE, version: int = 1) -> ServiceSpec:
    return a_spec(image, secrets=(replace(KEY, version=version),), configs=(CONF,))


def keep(state: HostState, kind: FileKind, name: str, content: bytes, version: int = 1) -> None:
    command = PutFile(kind=kind, name=name, version=version, content=content, created_by="ann")
    state.replica.must(command, client="person", leader_term=0)
    state.replica.store.flush()


def a_host() -> FollowingHost:
    it = FollowingHost()
    keep(it.state, FileKind.SECRET, "stripe_key", VALUE)
    keep(it.state, FileKind.CONFIG, "web.conf", b"listen 8080\n")
    return it


async def the_container(it: FollowingHost) -> ContainerDetail:
    return await it.engine.inspect(NAME)


async def test_files_are_there_before_the_container_is_made() -> None:
    it = a_host()
    it.state.deploy(with_files())
    it.state.order(STARTED)
    it.files.problem = "no room"
    async with it.running():
        await it.until_phase(ReplicaPhase.FAILED)
        assert it.engine.calls == []
        assert it.state.observed().reason == "no room"
        it.files.problem = ""
        await it.until_phase(ReplicaPhase.HEALTHY)
    placed = it.files.placed[NAME]
    secret, config = placed["secret-0"], placed["config-0"]
    assert (secret.content, secret.uid, secret.gid, secret.mode) == (VALUE, 0, 0, 0o444)
    assert (config.content, config.uid, config.gid, config.mode) == (b"listen 8080\n", 1000, 1001, 0o440)


async def test_a_container_gets_its_files_by_read_only_mounts_and_nothing_else_of_them() -> None:
    it = a_host()
    it.state.deploy(with_files())
    it.state.order(STARTED)
    async with it.running():
        await it.until_phase(ReplicaPhase.HEALTHY)
        detail = await the_container(it)
    assert {mount for mount in detail.mounts if mount.kind == "bind"} == {
        Mount(kind="bind", target=KEY.target, source=f"/run/files/{NAME}/secret-0", read_only=True),
        Mount(kind="bind", target=CONF.target, source=f"/run/files/{NAME}/config-0", read_only=True),
    }
    everything = f"{detail!r} {detail.environment!r} {detail.labels!r}"
    assert VALUE.decode() not in everything


async def test_nothing_that_is_logged_or_reported_has_the_value(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    it = a_host()
    it.state.deploy(with_files())
    it.state.order(STARTED)
    async with it.running():
        await it.until_phase(ReplicaPhase.HEALTHY)
    logged = " ".join(str(record.__dict__) for record in caplog.records)
    assert "replica.started" in logged
    assert VALUE.decode() not in logged + repr(it.state.reports)


async def test_a_version_that_is_gone_is_told_and_nothing_is_started() -> None:
    it = a_host()
    it.state.deploy(with_files())
    it.state.order(STARTED)
    # As a state of the future might have it.
    it.open_file = StoredFiles(FollowingHost().state, a_keyring).open  # type: ignore[method-assign]
    async with it.running():
        await it.until_phase(ReplicaPhase.FAILED)
        assert "secret stripe_key has no version 1" in it.state.observed().reason
        assert it.engine.names() == []


async def test_after_a_start_of_the_host_files_are_made_again_before_the_container_is_started() -> None:
    it = a_host()
    it.state.deploy(with_files())
    it.state.order(STARTED)
    async with it.running():
        await it.until_phase(ReplicaPhase.HEALTHY)
        container = it.state.observed().container_id
    it.engine.crash(container)
    it.files.placed.clear()
    async with it.running():
        await it.pass_time(5)
        assert it.state.observed().phase is ReplicaPhase.HEALTHY
    assert it.files.placed[NAME]["secret-0"].content == VALUE
    assert it.engine.count("create") == 1


async def test_files_go_with_the_container() -> None:
    it = a_host()
    it.state.deploy(with_files())
    it.state.order(STARTED)
    async with it.running():
        await it.until_phase(ReplicaPhase.HEALTHY)
        it.state.order(SERVING, DRAINING, REMOVED)
        await it.until_phase(ReplicaPhase.REMOVED)
        assert it.files.placed == {}


async def test_a_container_is_not_said_to_be_removed_while_its_files_are_there() -> None:
    it = a_host()
    it.state.deploy(with_files())
    it.state.order(STARTED)
    async with it.running():
        await it.until_phase(ReplicaPhase.HEALTHY)
        it.files.problem = "no permission"
        it.state.order(SERVING, DRAINING, REMOVED)
        await it.pass_time(10)
        assert it.state.observed().phase is not ReplicaPhase.REMOVED
        it.files.problem = ""
        await it.until_phase(ReplicaPhase.REMOVED)


async def test_files_of_containers_that_are_gone_are_swept() -> None:
    it = a_host()
    it.state.deploy(with_files())
    it.state.order(STARTED)
    async with it.running():
        await it.until_phase(ReplicaPhase.HEALTHY)
        it.files.placed["tower-shop.old-1-0"] = {}
    async with it.running():
        await it.pass_time(10)
    assert it.files.placed.keys() == {NAME}


async def test_a_new_version_is_a_new_revision_with_files_of_its_own() -> None:
    it = a_host()
    it.state.deploy(with_files())
    keep(it.state, FileKind.SECRET, "stripe_key", b"rotated".ljust(40), version=2)
    assert it.state.deploy(with_files(version=2)) == 2
    it.state.order(STARTED)
    it.state.order(STARTED, revision=2)
    async with it.running():
        await it.until_phase(ReplicaPhase.HEALTHY)
        await it.until_phase(ReplicaPhase.HEALTHY, revision=2)
    contents = {name: files["secret-0"].content for name, files in it.files.placed.items()}
    assert contents == {NAME: VALUE, name_of(revision=2): b"rotated".ljust(40)}
    assert config_hash(it.state.spec()) != config_hash(it.state.spec(revision=2))


# ---- opening what is kept ---------------------------------------------------------------------


def sealed_state(*, name: str = "stripe_key") -> HostState:
    state = HostState()
    nonce = some_bytes("nonce", 12)
    sealed = seal_secret(VALUE, a_keyring(), name=name, environment="", version=1, nonce=nonce)
    keep(state, FileKind.SECRET, "stripe_key", sealed)
    return state


def test_a_secret_is_opened_with_the_cluster_key() -> None:
    files = StoredFiles(sealed_state(), a_keyring)
    assert files.open(FileKind.SECRET, KEY) == VALUE


def test_a_secret_that_was_sealed_for_another_place_is_refused_without_its_value() -> None:
    files = StoredFiles(sealed_state(name="other"), a_keyring)
    with pytest.raises(FilesRefused) as caught:
        files.open(FileKind.SECRET, KEY)
    assert VALUE.decode() not in str(caught.value)


def test_a_host_with_another_cluster_key_says_so() -> None:
    files = StoredFiles(sealed_state(), lambda: a_keyring("another"))
    with pytest.raises(FilesRefused, match="copy the cluster key file"):
        files.open(FileKind.SECRET, KEY)


def logins_for(registry: str, *, sealed_for: str = "") -> RegistryLogins:
    state = HostState()
    sealed = seal_password(
        VALUE, a_keyring(), registry=sealed_for or registry, username="ci", nonce=some_bytes("nonce", 12)
    )
    command = PutRegistryCredential(
        registry=registry, username="ci", sealed_password=sealed, changed_by="ann"
    )
    state.replica.must(command, client="person", leader_term=0)
    state.replica.store.flush()
    return RegistryLogins(state, a_keyring)


@pytest.mark.parametrize(
    ("registry", "image"),
    [
        ("registry.example:5000", "registry.example:5000/shop/web:1"),
        ("ghcr.io", "ghcr.io/shop/web@sha256:" + "a" * 64),
        ("docker.io", "shop/web:1"),
        ("docker.io", "web"),
    ],
)
def test_a_login_is_for_the_images_of_its_registry(registry: str, image: str) -> None:
    auth = logins_for(registry).of_image(image)
    assert auth == RegistryAuth(username="ci", password=VALUE.decode())
    assert VALUE.decode() not in repr(auth)


@pytest.mark.parametrize("image", ["ghcr.io.evil.example/a:1", "web:1", "UPPER", ""])
def test_no_other_registry_gets_a_login(image: str) -> None:
    assert logins_for("ghcr.io").of_image(image) is None


def test_a_login_that_does_not_open_is_told_with_what_to_do() -> None:
    with pytest.raises(PullRefused, match=r"tower registry login ghcr\.io") as caught:
        logins_for("ghcr.io", sealed_for="other.example").of_image("ghcr.io/a:1")
    assert caught.value.reason is PullRefusedReason.AUTH
