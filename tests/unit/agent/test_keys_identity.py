"""This host's identity on disk: whole or not there, and nobody else's to read."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from agent.keys.errors import (
    IdentityDamaged,
    IdentityExists,
    IdentityMissing,
    IdentityUnsafe,
    IdentityUnwritable,
)
from agent.keys.identity import IdentityDirectory
from agent.keys.private_files import read_private_file, write_private_file
from cluster.identity.certificates import load_certificate
from tests.support.identity_builders import a_ca, a_keyring, a_node_identity, some_bytes

FILES = ("ca.pem", "cluster.key", "node.json", "node.pem")


@pytest.fixture
def directory(tmp_path: Path) -> IdentityDirectory:
    return IdentityDirectory(tmp_path / "identity")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "identity"


def test_an_identity_is_loaded_as_it_was_made(directory: IdentityDirectory) -> None:
    identity = a_node_identity()
    assert not directory.exists()
    directory.create(identity)
    assert directory.exists()
    loaded = directory.load()
    assert replace(loaded, node_key_pem=identity.node_key_pem) == identity
    assert loaded.node_key_pem.strip() == identity.node_key_pem.strip()
    assert loaded.ca_pems == (a_ca().certificate_pem,)


def test_only_this_user_can_get_at_it(directory: IdentityDirectory, path: Path) -> None:
    before = os.umask(0)
    try:
        directory.create(a_node_identity())
    finally:
        os.umask(before)
    assert sorted(os.listdir(path)) == list(FILES)
    assert stat.S_IMODE(path.stat().st_mode) == 0o700
    assert {stat.S_IMODE((path / name).stat().st_mode) for name in FILES} == {0o600}


def test_a_host_that_belongs_to_no_cluster_is_told_what_to_run(directory: IdentityDirectory) -> None:
    with pytest.raises(IdentityMissing, match=r"tower init.*tower join HOST --token"):
        directory.load()


def test_a_second_identity_is_refused_and_the_first_one_kept(directory: IdentityDirectory) -> None:
    directory.create(a_node_identity())
    with pytest.raises(IdentityExists, match=r"already node host-1 \(nd_1\) of cluster prod .*tower leave"):
        directory.create(a_node_identity(node_id="nd_2"))
    assert directory.load().node_id == "nd_1"


def test_a_second_identity_is_refused_even_when_the_first_is_damaged(
    directory: IdentityDirectory, path: Path
) -> None:
    directory.create(a_node_identity())
    (path / "node.json").write_text("{")
    with pytest.raises(IdentityExists, match="already a node of a cluster"):
        directory.create(a_node_identity(node_id="nd_2"))


def test_an_identity_whose_parts_do_not_belong_together_is_not_written(directory: IdentityDirectory) -> None:
    other = a_node_identity(node_id="nd_2")
    for wrong in (
        replace(a_node_identity(), node_key_pem=other.node_key_pem),
        replace(a_node_identity(), node_id="nd_2"),
        replace(a_node_identity(), cluster_id="cl_other"),
        replace(a_node_identity(), ca_pem=a_ca("other").certificate_pem),
        replace(a_node_identity(), certificate_pem="nonsense"),
        replace(a_node_identity(), ca_pem="nonsense"),
    ):
        with pytest.raises(IdentityDamaged, match="identity/"):
            directory.create(wrong)
    assert not directory.exists()


def test_what_a_crash_left_half_made_does_not_stand_in_the_way(
    directory: IdentityDirectory, tmp_path: Path
) -> None:
    half_made = tmp_path / ".identity.new"
    half_made.mkdir()
    (half_made / "node.pem").write_text("half")
    directory.create(a_node_identity())
    assert directory.load().node_id == "nd_1"
    assert not half_made.exists()


class Stop(BaseException):
    """Stands for the power going."""


def test_a_crash_at_any_step_of_making_leaves_no_identity_or_a_whole_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    outcomes = set()
    for step in range(40):
        directory = IdentityDirectory(tmp_path / str(step) / "identity")
        (tmp_path / str(step)).mkdir()
        calls = 0

        def crash_at_step(real: Callable[..., object]) -> Callable[..., object]:
            def call(*arguments: object, **options: object) -> object:
                nonlocal calls
                calls += 1
                if calls > step:  # noqa: B023 - called in this turn of the loop only
                    raise Stop
                return real(*arguments, **options)

            return call

        with monkeypatch.context() as patched:
            for name in ("open", "fsync", "rename"):
                patched.setattr(os, name, crash_at_step(getattr(os, name)))
            try:
                directory.create(a_node_identity())
            except Stop:
                pass
            else:
                outcomes.add("made")
        if directory.exists():
            assert directory.load().node_id == "nd_1"
            outcomes.add("whole")
        else:
            outcomes.add("none")
    assert outcomes == {"none", "whole", "made"}


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o644])
def test_a_file_others_can_get_at_is_refused_with_the_command_that_mends_it(
    directory: IdentityDirectory, path: Path, name: str, mode: int
) -> None:
    directory.create(a_node_identity())
    (path / name).chmod(mode)
    with pytest.raises(IdentityUnsafe, match=rf"{name}: .*mode {mode:04o}.*run: chmod 600 {path / name}"):
        directory.load()


def test_a_directory_others_can_look_into_is_refused(directory: IdentityDirectory, path: Path) -> None:
    directory.create(a_node_identity())
    path.chmod(0o755)
    with pytest.raises(IdentityUnsafe, match=f"run: chmod 700 {path}"):
        directory.load()


def test_a_link_in_place_of_a_file_is_refused(
    directory: IdentityDirectory, path: Path, tmp_path: Path
) -> None:
    directory.create(a_node_identity())
    (path / "cluster.key").rename(tmp_path / "elsewhere")
    (path / "cluster.key").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(IdentityUnsafe, match="symbolic link"):
        directory.load()


def test_a_file_of_another_user_is_refused(
    directory: IdentityDirectory, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory.create(a_node_identity())
    owner = path.stat().st_uid
    if owner == 0:
        os.chown(path / "node.pem", 12345, -1)
        with pytest.raises(IdentityUnsafe, match=r"belongs to user 12345.*chown 0"):
            directory.load()
        return
    monkeypatch.setattr(os, "geteuid", lambda: owner + 1)
    with pytest.raises(IdentityUnsafe, match=f"belongs to user {owner}.*chown"):
        directory.load()


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize(
    "damage",
    [
        lambda text: "",
        lambda text: text[: len(text) // 2],
        lambda text: "\x00" * len(text),
        lambda text: text.replace("e", "f"),
    ],
)
def test_a_damaged_file_is_named(
    directory: IdentityDirectory, path: Path, name: str, damage: Callable[[str], str]
) -> None:
    directory.create(a_node_identity())
    write_private_file(path / name, damage((path / name).read_text()))
    with pytest.raises(IdentityDamaged, match=name):
        directory.load()


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_is_named(directory: IdentityDirectory, path: Path, name: str) -> None:
    directory.create(a_node_identity())
    (path / name).unlink()
    with pytest.raises(IdentityDamaged, match=f"{name}: is missing"):
        directory.load()


def test_a_file_of_a_newer_release_is_told_from_a_damaged_one(
    directory: IdentityDirectory, path: Path
) -> None:
    directory.create(a_node_identity())
    write_private_file(path / "node.json", '{"format": 2}')
    with pytest.raises(IdentityDamaged, match="newer release"):
        directory.load()


def test_errors_show_no_key(directory: IdentityDirectory, path: Path) -> None:
    identity = a_node_identity()
    directory.create(identity)
    secret_line = identity.node_key_pem.splitlines()[1]
    text = (path / "node.pem").read_text()
    write_private_file(path / "node.pem", text.replace(secret_line[:4], "AAAA", 1))
    with pytest.raises(IdentityDamaged) as caught:
        directory.load()
    assert secret_line not in str(caught.value)
    assert secret_line not in repr(caught.value)


def test_a_renewed_certificate_replaces_key_and_certificate_together(directory: IdentityDirectory) -> None:
    identity = a_node_identity()
    directory.create(identity)
    renewed = a_node_identity(key_label="second key")
    changed = directory.replace_certificate(
        identity, node_key_pem=renewed.node_key_pem, certificate_pem=renewed.certificate_pem
    )
    assert changed.certificate_pem == renewed.certificate_pem
    assert directory.load().certificate_pem == renewed.certificate_pem


def test_a_certificate_that_does_not_fit_is_not_stored(directory: IdentityDirectory) -> None:
    identity = a_node_identity()
    directory.create(identity)
    renewed = a_node_identity(key_label="second key")
    with pytest.raises(IdentityDamaged, match="key is not the certificate's"):
        directory.replace_certificate(
            identity, node_key_pem=identity.node_key_pem, certificate_pem=renewed.certificate_pem
        )
    assert directory.load().certificate_pem == identity.certificate_pem


def test_the_trusted_cas_and_the_cluster_keys_can_be_replaced(directory: IdentityDirectory) -> None:
    identity = a_node_identity()
    directory.create(identity)
    both = a_ca("next").certificate_pem + identity.ca_pem
    identity = directory.replace_ca(identity, both)
    identity = directory.replace_keyring(identity, a_keyring().rotated(some_bytes("next", 32)))
    loaded = directory.load()
    assert [load_certificate(pem) for pem in loaded.ca_pems] == [
        load_certificate(a_ca("next").certificate_pem),
        load_certificate(a_ca().certificate_pem),
    ]
    assert loaded.keyring == identity.keyring


def test_a_ca_that_did_not_sign_this_node_is_not_stored_alone(directory: IdentityDirectory) -> None:
    identity = a_node_identity()
    directory.create(identity)
    with pytest.raises(IdentityDamaged, match="no CA in it signed"):
        directory.replace_ca(identity, a_ca("next").certificate_pem)
    assert directory.load().ca_pem == identity.ca_pem


def test_a_host_can_forget_who_it_was_and_become_another(
    directory: IdentityDirectory, tmp_path: Path
) -> None:
    directory.remove()
    directory.create(a_node_identity())
    directory.remove()
    assert not directory.exists()
    assert os.listdir(tmp_path) == []
    directory.create(a_node_identity(node_id="nd_2"))
    assert directory.load().node_id == "nd_2"


def test_a_full_disk_leaves_the_old_file_and_says_so(
    directory: IdentityDirectory, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    identity = a_node_identity()
    directory.create(identity)

    def no_space(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", no_space)
        with pytest.raises(IdentityUnwritable, match=r"cluster.key: cannot be written: No space left"):
            directory.replace_keyring(identity, a_keyring("next"))
    assert directory.load().keyring == identity.keyring
    assert sorted(os.listdir(path)) == list(FILES)


def test_a_directory_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    directory = IdentityDirectory(tmp_path / "missing" / "identity")
    with pytest.raises(IdentityUnwritable, match="missing/identity: cannot be made"):
        directory.create(a_node_identity())


def test_a_file_too_large_to_be_ours_is_refused(tmp_path: Path) -> None:
    large = tmp_path / "large"
    write_private_file(large, "x" * (1 << 20))
    assert len(read_private_file(large)) == 1 << 20
    write_private_file(large, "x" * ((1 << 20) + 1))
    with pytest.raises(IdentityDamaged, match="is not a file of this agent"):
        read_private_file(large)


def test_a_pipe_or_directory_in_place_of_a_file_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe", 0o600)
    (tmp_path / "dir").mkdir(mode=0o700)
    for name in ("pipe", "dir"):
        with pytest.raises(IdentityDamaged, match="not a regular file"):
            read_private_file(tmp_path / name)
