"""Secrets, configs and registry logins in the state: versions, bounds, and what is in use stays."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from cluster.commands import Code
from cluster.commands.secrets import (
    PutFile,
    PutRegistryCredential,
    RemoveFile,
    RemoveRegistryCredential,
)
from cluster.commands.services import AttemptRevision, CommitTransition, PutService, RemoveService
from cluster.model import secrets as model
from cluster.model.ids import ServiceId
from cluster.model.secrets import (
    CONTENT_BYTES_MAX,
    SEALED_EXTRA_BYTES,
    VERSIONS_KEPT,
    FileKind,
    StoredFile,
)
from cluster.model.service import Aim, FileReference, ServiceSpec
from cluster.state_machine import secrets as handlers
from cluster.state_machine.services import REVISIONS_KEPT
from cluster.store.records import FILE_CONTENTS, FILE_USERS, FILES, REGISTRY_CREDENTIALS, SERVICES
from tests.support.state_builders import START_MS, Replica, a_service, a_spec, a_stamp

WEB = ServiceId("shop.web")


def a_secret(version: int = 1, name: str = "stripe_key", **fields: Any) -> PutFile:
    content = fields.pop("content", b"s" * (SEALED_EXTRA_BYTES + 6))
    return PutFile(
        kind=FileKind.SECRET, name=name, version=version, content=content, created_by="ann", **fields
    )


def a_config(version: int = 1, name: str = "web.conf", content: bytes = b"listen 80\n") -> PutFile:
    return PutFile(kind=FileKind.CONFIG, name=name, version=version, content=content, created_by="ann")


def using(version: int, image: str = "registry.example/web:1") -> ServiceSpec:
    reference = FileReference(source="stripe_key", target="/run/secrets/stripe_key", version=version)
    return a_spec(image, secrets=(reference,))


def the_secret(replica: Replica, name: str = "stripe_key") -> StoredFile | None:
    return FILES.get(replica.txn, "secret", "", name)


def versions(replica: Replica) -> list[int]:
    stored = the_secret(replica)
    return [] if stored is None else [version.number for version in stored.versions]


def with_versions(count: int) -> Replica:
    replica = Replica()
    for version in range(1, count + 1):
        replica.must(a_secret(version))
    return replica


def finish(replica: Replica, revision: int) -> None:
    """Say that a revision runs, and nothing else of the service."""
    service = SERVICES.get(replica.txn, WEB)
    assert service is not None
    replica.must(CommitTransition(service_id=WEB, expected_version=service.version, stable_revision=revision))


def test_a_new_secret_has_version_1_and_its_size_without_the_seal() -> None:
    replica = Replica()
    assert replica.must(a_secret()) == 1
    stored = the_secret(replica)
    assert stored is not None
    (version,) = stored.versions
    assert (version.number, version.size_bytes, version.created_by) == (1, 6, "ann")
    assert version.created_at_ms == START_MS


def test_a_version_that_somebody_else_took_is_refused() -> None:
    replica = with_versions(1)
    refused = replica.refusal(a_secret(1))
    assert refused.code is Code.VERSION_CONFLICT
    assert "is 2, not 1" in refused.reason


def test_versions_of_two_environments_count_apart() -> None:
    replica = with_versions(2)
    assert replica.must(a_secret(1, environment="prod")) == 1
    assert versions(replica) == [1, 2]


def test_a_secret_and_a_config_of_one_name_are_two_things() -> None:
    replica = with_versions(1)
    assert replica.must(a_config(1, name="stripe_key")) == 1


def test_the_oldest_unused_version_makes_room() -> None:
    replica = with_versions(VERSIONS_KEPT + 1)
    assert versions(replica) == [2, 3, 4, 5, 6]
    assert FILE_CONTENTS.get(replica.txn, "secret", "", "stripe_key", 1) is None
    assert FILE_CONTENTS.get(replica.txn, "secret", "", "stripe_key", 2) is not None


def test_a_version_in_use_does_not_make_room() -> None:
    replica = with_versions(1)
    replica.must(a_service(spec=using(1)))
    for version in range(2, VERSIONS_KEPT + 2):
        replica.must(a_secret(version))
    assert versions(replica) == [1, 3, 4, 5, 6]


def test_a_version_nobody_names_makes_room_before_one_of_an_earlier_revision() -> None:
    replica = with_versions(2)
    replica.lead()
    replica.must(a_service(spec=using(1)))
    replica.must(a_service(spec=using(2)))
    finish(replica, 2)
    for version in range(3, VERSIONS_KEPT + 2):
        replica.must(a_secret(version))
    assert versions(replica) == [1, 2, 4, 5, 6]


def test_no_version_makes_room_when_each_is_in_use() -> None:
    replica = with_versions(VERSIONS_KEPT)
    for version in range(1, VERSIONS_KEPT + 1):
        replica.must(a_service(f"shop.web{version}", spec=using(version)))
    refused = replica.refusal(a_secret(VERSIONS_KEPT + 1))
    assert refused.code is Code.IN_USE
    assert "shop.web1" in refused.reason


def test_a_revision_of_a_version_that_is_not_kept_is_refused() -> None:
    replica = with_versions(1)
    refused = replica.refusal(a_service(spec=using(2)))
    assert refused.code is Code.NOT_FOUND
    assert "secret stripe_key has no version 2" in refused.reason
    assert SERVICES.get(replica.txn, WEB) is None


def test_a_revision_of_an_unpinned_version_is_refused() -> None:
    replica = with_versions(1)
    assert replica.refusal(a_service(spec=using(0))).code is Code.INVALID


def test_a_secret_in_use_is_not_removed() -> None:
    replica = with_versions(1)
    replica.must(a_service(spec=using(1)))
    refused = replica.refusal(RemoveFile(kind=FileKind.SECRET, name="stripe_key"))
    assert refused.code is Code.IN_USE
    assert "used by shop.web" in refused.reason
    assert versions(replica) == [1]


def test_an_unused_secret_is_removed_with_every_content() -> None:
    replica = with_versions(3)
    replica.must(RemoveFile(kind=FileKind.SECRET, name="stripe_key"))
    assert the_secret(replica) is None
    assert FILE_CONTENTS.scan(replica.txn) == []


def test_a_secret_that_is_not_there_is_not_removed() -> None:
    assert Replica().refusal(RemoveFile(kind=FileKind.SECRET, name="x")).code is Code.NOT_FOUND


def removed_while_an_earlier_revision_names_it() -> Replica:
    replica = with_versions(1)
    replica.lead()
    replica.must(a_service(spec=using(1)))
    replica.must(a_service(spec=a_spec("registry.example/web:2")))
    finish(replica, 2)
    replica.must(RemoveFile(kind=FileKind.SECRET, name="stripe_key"))
    return replica


def test_numbers_go_on_when_a_removed_secret_returns() -> None:
    replica = removed_while_an_earlier_revision_names_it()
    stored = the_secret(replica)
    assert stored is not None
    assert stored.is_removed
    assert replica.must(a_secret(2)) == 2


def test_a_revision_whose_secret_was_removed_is_not_returned_to() -> None:
    replica = removed_while_an_earlier_revision_names_it()
    refused = replica.refusal(AttemptRevision(service_id=WEB, revision=1, aim=Aim.ROLLBACK, by="ann"))
    assert refused.code is Code.NOT_FOUND
    assert "stripe_key" in refused.reason


def test_a_secret_removed_a_second_time_is_not_there() -> None:
    replica = removed_while_an_earlier_revision_names_it()
    refused = replica.refusal(RemoveFile(kind=FileKind.SECRET, name="stripe_key"))
    assert refused.code is Code.NOT_FOUND


def test_a_forgotten_service_uses_nothing() -> None:
    replica = with_versions(1)
    replica.lead()
    replica.must(a_service(spec=using(1)))
    replica.must(RemoveService(service_id=WEB))
    replica.must(CommitTransition(service_id=WEB, expected_version=2, is_service_forgotten=True))
    assert FILE_USERS.scan(replica.txn, "secret") == []
    replica.must(RemoveFile(kind=FileKind.SECRET, name="stripe_key"))


def inline(version: int) -> ServiceSpec:
    return a_spec(configs=(FileReference(source="shop_web", target="/web", version=version),))


def test_a_config_that_came_with_a_compose_file_goes_with_its_last_revision() -> None:
    replica = Replica()
    replica.lead()
    for version in (1, 2):
        replica.must(replace(a_config(version, name="shop_web"), project="shop"))
        replica.must(a_service(spec=inline(version)))
    replica.must(RemoveService(service_id=WEB))
    assert FILES.get(replica.txn, "config", "", "shop_web") is not None
    replica.must(CommitTransition(service_id=WEB, expected_version=3, is_service_forgotten=True))
    assert FILES.get(replica.txn, "config", "", "shop_web") is None
    assert FILE_CONTENTS.scan(replica.txn) == []


def test_the_number_of_a_removed_secret_goes_with_the_last_revision_that_named_it() -> None:
    replica = removed_while_an_earlier_revision_names_it()
    for number in range(3, REVISIONS_KEPT + 2):
        replica.must(a_service(spec=a_spec(f"registry.example/web:{number}")))
    assert the_secret(replica) is None


def test_a_forgotten_revision_uses_nothing() -> None:
    replica = with_versions(1)
    replica.lead()
    replica.must(a_service(spec=using(1, "registry.example/web:0")))
    for number in range(1, REVISIONS_KEPT + 2):
        replica.must(a_service(spec=a_spec(f"registry.example/web:{number}")))
    assert FILE_USERS.scan(replica.txn, "secret") == []


def test_a_rejected_service_leaves_no_use_behind() -> None:
    replica = with_versions(1)
    replica.must(a_service(spec=using(1)))
    replica.refusal(
        PutService(
            service_id=WEB, project="shop", name="web", spec=using(1, "other"), replicas=1, expected_version=9
        )
    )
    assert len(FILE_USERS.scan(replica.txn, "secret")) == 1


def test_too_many_secrets_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handlers, "FILES_MAX", 2)
    replica = Replica()
    replica.must(a_secret(name="a"))
    replica.must(a_config(name="b"))
    assert replica.refusal(a_secret(name="c")).code is Code.INVALID
    # One that is there may be changed.
    assert replica.must(a_secret(2, name="a")) == 2


def test_all_contents_together_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handlers, "FILES_BYTES_MAX", 25)
    replica = Replica()
    replica.must(a_config(1, content=b"x" * 10))
    replica.must(a_config(2, content=b"x" * 10))
    refused = replica.refusal(a_config(3, content=b"x" * 10))
    assert refused.code is Code.INVALID
    assert "20 bytes" in refused.reason


@pytest.mark.parametrize("size_bytes", [CONTENT_BYTES_MAX + 1, CONTENT_BYTES_MAX + SEALED_EXTRA_BYTES])
def test_a_config_that_is_too_large_says_how_large_it_may_be(size_bytes: int) -> None:
    with pytest.raises(ValueError, match=f"{size_bytes} bytes; at most {CONTENT_BYTES_MAX}"):
        a_config(content=bytes(size_bytes))


def test_the_largest_secret_fits_into_a_command_with_the_longest_stamp() -> None:
    replica = Replica()
    largest = a_secret(content=bytes(CONTENT_BYTES_MAX + SEALED_EXTRA_BYTES))
    stamp = a_stamp(resource="\U0001f600" * 512, reason="\U0001f600" * 1024, user_agent="\U0001f600" * 512)
    assert replica.must(largest, audit=stamp) == 1


def test_what_is_no_seal_is_no_secret() -> None:
    with pytest.raises(ValueError, match="stripe_key"):
        a_secret(content=b"s" * (SEALED_EXTRA_BYTES - 1))


def a_login(registry: str = "registry.example:5000", username: str = "ci") -> PutRegistryCredential:
    return PutRegistryCredential(
        registry=registry, username=username, sealed_password=bytes(60), changed_by="ann"
    )


def test_a_registry_has_one_login() -> None:
    replica = Replica()
    replica.must(a_login(username="ci"))
    replica.must(a_login(username="robot"))
    (kept,) = REGISTRY_CREDENTIALS.scan(replica.txn)
    assert (kept.username, kept.changed_at_ms) == ("robot", START_MS)


def test_a_login_is_forgotten_once() -> None:
    replica = Replica()
    replica.must(a_login())
    replica.must(RemoveRegistryCredential(registry="registry.example:5000"))
    assert REGISTRY_CREDENTIALS.scan(replica.txn) == []
    refused = replica.refusal(RemoveRegistryCredential(registry="registry.example:5000"))
    assert refused.code is Code.NOT_FOUND


def test_too_many_logins_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handlers, "REGISTRIES_MAX", 1)
    replica = Replica()
    replica.must(a_login("a.example"))
    assert replica.refusal(a_login("b.example")).code is Code.INVALID
    replica.must(a_login("a.example", username="other"))


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("https://index.docker.io/v1/", "docker.io"),
        ("docker.io", "docker.io"),
        ("Registry.Example:5000", "registry.example:5000"),
        ("ghcr.io/owner", "ghcr.io"),
    ],
)
def test_a_registry_is_known_by_the_name_images_use(written: str, meant: str) -> None:
    assert model.registry_name(written) == meant


@pytest.mark.parametrize("written", ["", "a b", "-x", "ghcr.io/owner", "host:port", "h\n"])
def test_what_is_no_registry_is_refused(written: str) -> None:
    with pytest.raises(ValueError, match="registry"):
        model.check_registry(written)


@pytest.mark.parametrize("target", ["", "/", "run/x", "/a/../b", "/a//b", "/a/", "/./a"])
def test_a_target_is_the_absolute_path_of_a_file(target: str) -> None:
    with pytest.raises(ValueError, match="target"):
        FileReference(source="key", target=target)


@pytest.mark.parametrize("mode", [0o644, 0o1444, -1])
def test_a_file_of_a_container_cannot_be_written(mode: int) -> None:
    with pytest.raises(ValueError, match="mode"):
        FileReference(source="key", target="/key", mode=mode)


def test_two_files_at_one_place_are_refused() -> None:
    one = FileReference(source="a", target="/etc/x", version=1)
    other = FileReference(source="b", target="/etc/x", version=1)
    with pytest.raises(ValueError, match="/etc/x"):
        a_spec(secrets=(one,), configs=(other,))
