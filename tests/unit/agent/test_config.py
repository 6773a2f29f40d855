from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.config import (
    ConfigError,
    LoadedSettings,
    Settings,
    label_pairs,
    load_settings,
    setting_keys,
    shown_settings,
    split_address,
    variable_of,
)
from agent.config.toml_lines import locate_keys
from cluster.raft.types import Timing


def load(
    text: str = "",
    *,
    tmp_path: Path,
    environment: Mapping[str, str] | None = None,
    flags: Mapping[str, str] | None = None,
    host_name: str = "h1",
) -> LoadedSettings:
    file = tmp_path / "tower.toml"
    file.write_text(text)
    return load_settings(file=file, environment=environment or {}, flags=flags or {}, host_name=host_name)


def problems(text: str = "", *, tmp_path: Path, **given: Mapping[str, str]) -> list[str]:
    with pytest.raises(ConfigError) as error:
        load(text, tmp_path=tmp_path, **given)  # type: ignore[arg-type]  # environment and flags are both mappings
    assert str(error.value) == "\n".join(map(str, error.value.problems))
    return [str(problem).removeprefix(f"{tmp_path}/") for problem in error.value.problems]


def test_without_anything_given_every_setting_is_its_default(tmp_path: Path) -> None:
    loaded = load(tmp_path=tmp_path)
    assert loaded.settings == Settings(node=Settings().node.model_copy(update={"name": "h1"}))
    assert loaded.origins == {}


def test_a_flag_beats_the_environment_which_beats_the_file_which_beats_the_default(tmp_path: Path) -> None:
    file = '[log]\nlevel = "error"\n[haproxy]\nhttp_port = 81\n[raft]\nheartbeat_ms = 100\n'
    environment = {"TOWER_LOG_LEVEL": "warning", "TOWER_HAPROXY_HTTP_PORT": "82"}
    loaded = load(file, tmp_path=tmp_path, environment=environment, flags={"log.level": "debug"})
    settings = loaded.settings
    assert (settings.log.level, settings.haproxy.http_port) == ("debug", 82)
    assert (settings.raft.heartbeat_ms, settings.haproxy.bin) == (100, "haproxy")
    assert str(loaded.origin("log.level")) == "--set"
    assert str(loaded.origin("haproxy.http_port")) == "TOWER_HAPROXY_HTTP_PORT"
    assert str(loaded.origin("raft.heartbeat_ms")) == f"{tmp_path}/tower.toml:6"
    assert str(loaded.origin("haproxy.bin")) == "default"


def test_settings_do_not_change(tmp_path: Path) -> None:
    settings = load(tmp_path=tmp_path).settings
    with pytest.raises(ValueError, match="frozen"):
        settings.log.level = "debug"  # type: ignore[misc]  # the point of the test


def test_a_wrong_value_is_reported_with_key_value_place_rule_and_default(tmp_path: Path) -> None:
    assert problems("\n[haproxy]\nhttp_port = 70000\n", tmp_path=tmp_path) == [
        "tower.toml:3: haproxy.http_port = 70000: must be at most 65535 (default: 80)"
    ]


def test_every_problem_is_reported_at_once(tmp_path: Path) -> None:
    found = problems(
        '[node]\nname = "A b"\n[listen]\napi = "nope"\n',
        tmp_path=tmp_path,
        environment={"TOWER_LOG_LEVEL": "loud"},
    )
    assert [problem.partition(" = ")[0] for problem in found] == [
        "tower.toml:2: node.name",
        "tower.toml:4: listen.api",
        "TOWER_LOG_LEVEL: log.level",
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            '[node]\ndata_dri = "/x"',
            "tower.toml:2: node.data_dri: is not a setting; did you mean node.data_dir?",
        ),
        ("[lissten]", "tower.toml:1: [lissten]: is not a section; did you mean [listen]?"),
        ("[metrics]\nlevel = 1", "tower.toml:2: metrics.level: is not a setting; did you mean log.level?"),
        ('name = "h1"', "tower.toml:1: name: is not a section; did you mean name in [node]?"),
        (
            "[node]\nname = 3",
            "tower.toml:2: node.name = 3: must be a valid string (default: this host's name)",
        ),
        ("[node\n", "tower.toml:1: syntax: not TOML: Expected ']' at the end of a table declaration"),
    ],
)
def test_what_is_not_a_setting_is_refused_with_what_was_probably_meant(
    tmp_path: Path, text: str, said: str
) -> None:
    assert problems(text, tmp_path=tmp_path) == [said]


def test_a_misspelt_variable_is_refused_and_the_clients_own_are_not(tmp_path: Path) -> None:
    assert problems(tmp_path=tmp_path, environment={"TOWER_LOG_LEVL": "debug"}) == [
        "TOWER_LOG_LEVL: is not a setting; did you mean TOWER_LOG_LEVEL?"
    ]
    client = {"TOWER_TOKEN": "x", "TOWER_SERVER": "h1", "PATH": "/bin"}
    assert load(tmp_path=tmp_path, environment=client).origins == {}


def test_a_named_file_must_exist_and_the_default_one_need_not() -> None:
    with pytest.raises(ConfigError, match="there is no such file"):
        load_settings(file=Path("/nowhere/tower.toml"), environment={}, flags={}, host_name="h1")
    assert load_settings(file=None, environment={}, flags={}, host_name="h1").settings.node.name == "h1"


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "binary"):
        if path != tmp_path:
            path.write_bytes(b"\xff\xfe")
        with pytest.raises(ConfigError, match="cannot be read"):
            load_settings(file=path, environment={}, flags={}, host_name="h1")


@pytest.mark.parametrize(
    ("host_name", "name"),
    [
        ("H1.Example.COM", "h1.example.com"),
        ("my_host", "my-host"),
        ("---", "localhost"),
        ("x" * 80, "x" * 63),
    ],
)
def test_the_default_node_name_is_the_hosts_made_fit(tmp_path: Path, host_name: str, name: str) -> None:
    assert load(tmp_path=tmp_path, host_name=host_name).settings.node.name == name


# ---- secrets ------------------------------------------------------------------------------------


def test_a_secret_is_read_from_the_file_that_is_named(tmp_path: Path) -> None:
    secret = tmp_path / "password"
    secret.write_text("hunter2\n")
    for given_by in (
        {"text": f'[bootstrap]\nadmin_password_file = "{secret}"\n'},
        {"environment": {"TOWER_BOOTSTRAP_ADMIN_PASSWORD_FILE": str(secret)}},
        {"environment": {"TOWER_BOOTSTRAP_ADMIN_PASSWORD": "hunter2"}},
    ):
        loaded = load(tmp_path=tmp_path, **given_by)  # type: ignore[arg-type]  # text or environment
        password = loaded.settings.bootstrap.admin_password
        assert password is not None
        assert password.get_secret_value() == "hunter2"
        assert "hunter2" not in repr(loaded)
        assert "hunter2" not in str(shown_settings(loaded.settings))


def test_a_secret_in_the_file_or_on_the_command_line_is_refused_unseen(tmp_path: Path) -> None:
    found = problems(
        '[bootstrap]\nadmin_password = "hunter2"\n',
        tmp_path=tmp_path,
        flags={"bootstrap.admin_password": "hunter2"},
    )
    assert len(found) == 2
    for problem in found:
        assert "hunter2" not in problem
        assert "admin_password_file" in problem


def test_a_wrong_secret_is_not_shown(tmp_path: Path) -> None:
    environment = {"TOWER_BOOTSTRAP_JOIN_TOKEN": "hunter2"}
    [problem] = problems(tmp_path=tmp_path, environment=environment)
    assert "join_address and join_token go together" in problem
    assert "hunter2" not in problem


def test_a_secret_given_twice_is_ambiguous(tmp_path: Path) -> None:
    secret = tmp_path / "s"
    secret.write_text("a")
    environment = {
        "TOWER_BOOTSTRAP_ADMIN_PASSWORD": "b",
        "TOWER_BOOTSTRAP_ADMIN_PASSWORD_FILE": str(secret),
    }
    [problem] = problems(tmp_path=tmp_path, environment=environment)
    assert "both directly and" in problem


def test_a_secret_file_that_is_missing_is_named(tmp_path: Path) -> None:
    environment = {"TOWER_BOOTSTRAP_ADMIN_PASSWORD_FILE": "/nowhere"}
    assert problems(tmp_path=tmp_path, environment=environment) == [
        "TOWER_BOOTSTRAP_ADMIN_PASSWORD_FILE: bootstrap.admin_password_file"
        ' = "/nowhere": the file cannot be read: No such file or directory'
    ]


# ---- rules --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ('[node]\nadvertise_address = "0.0.0.0"', "not the wildcard address"),
        ('[node]\nadvertise_address = "10.0.0.5:7443 x"', "must be an address or a host name"),
        ('[node]\ndata_dir = "relative"', "must be an absolute path"),
        ('[listen]\napi = "0.0.0.0:0"', "must have a port between 1 and 65535"),
        ('[listen]\nraft = "0.0.0.0:7443"', "api and raft must not share port 7443"),
        ('[listen]\nraft = "0.0.0.0:9000"', "peers must have port 9001, the one after raft's"),
        ("[haproxy]\nhttp_port = 7443", "haproxy.http_port and listen.api must not share port 7443"),
        ("[haproxy]\nhttps_port = 7443", "haproxy.https_port and listen.api must not share port 7443"),
        ("[haproxy]\nhttp_port = 443", "haproxy.http_port and haproxy.https_port must not share port 443"),
        ("[raft]\nelection_min_ms = 500", "quorum_check_ms (700) must be below election_min_ms (500)"),
        ("[raft]\nheartbeat_ms = 400", "lease_ms (600) must be at least twice heartbeat_ms (400)"),
        ("[raft]\nlog_trailing = 30000", "log_trailing (30000) must be below log_entries_max (20000)"),
        ('[api]\npublic_url = "http://x"', "must be an https address"),
        ("[metrics]\ninterval_s = 7", "must be one of 10, 30, 60"),
        ("[api]\nconnections_max = true", "must be at least 10"),
        ('[api]\ntrusted_proxies = ["lb.example.com"]', "'lb.example.com' is neither"),
        ('[api]\ntrusted_proxies = ["10.0.1.5/24"]', "'10.0.1.5/24' is neither"),
        ('[api]\ntrusted_proxies = ["0.0.0.0/0"]', "'0.0.0.0/0' is everybody"),
        ("[api]\nproxy_protocol = true", "proxy_protocol needs trusted_proxies"),
    ],
)
def test_a_setting_that_cannot_work_is_refused(tmp_path: Path, text: str, rule: str) -> None:
    [problem] = problems(text, tmp_path=tmp_path)
    assert rule in problem
    assert problem.startswith("tower.toml:2: ")


@pytest.mark.parametrize("text", ["", "10.0.0.5", "10.0.1.0/24, 2001:db8::/64"])
def test_proxies_are_addresses_and_networks(tmp_path: Path, text: str) -> None:
    loaded = load(tmp_path=tmp_path, environment={"TOWER_API_TRUSTED_PROXIES": text})
    assert loaded.settings.api.trusted_proxies == tuple(text.split(", ") if text else ())


def test_without_haproxy_its_ports_do_not_matter(tmp_path: Path) -> None:
    text = "[haproxy]\nenabled = false\nhttp_port = 7443\n"
    assert load(text, tmp_path=tmp_path).settings.haproxy.enabled is False


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("10.0.0.5:7443", ("10.0.0.5", 7443)),
        ("[::1]:7443", ("::1", 7443)),
        ("h1.example.com:1", ("h1.example.com", 1)),
        ("::1:7443", ("", 0)),
        ("h1", ("", 0)),
        (":7443", ("", 0)),
        ("h 1:7443", ("", 0)),
    ],
)
def test_an_address_is_host_and_port(text: str, parts: tuple[str, int]) -> None:
    assert split_address(text) == parts


def test_the_raft_defaults_are_those_of_the_engine() -> None:
    raft, timing = Settings().raft, Timing()
    assert raft.heartbeat_ms == timing.heartbeat_s * 1000
    assert raft.lease_ms == timing.lease_s * 1000
    assert raft.quorum_check_ms == timing.quorum_check_s * 1000
    assert raft.election_min_ms == timing.election_min_s * 1000
    assert raft.election_max_ms == timing.election_max_s * 1000
    assert raft.log_bytes_max == timing.log_bytes_max
    assert (raft.log_entries_max, raft.log_trailing) == (timing.log_entries_max, timing.log_trailing)


def test_labels_are_a_list_in_the_file_and_one_text_elsewhere(tmp_path: Path) -> None:
    pairs = (("disk", "ssd"), ("zone", "a"))
    listed = load('[node]\nlabels = ["zone=a", "disk = ssd"]\n', tmp_path=tmp_path)
    told = load(tmp_path=tmp_path, environment={"TOWER_NODE_LABELS": "zone=a, disk=ssd"})
    assert label_pairs(listed.settings.node.labels) == pairs
    assert label_pairs(told.settings.node.labels) == pairs


@pytest.mark.parametrize(
    ("labels", "rule"),
    [
        ("zone", "'zone' has no value"),
        ("zone=a,zone=b", "must have each label once"),
        ("my zone=a", "must be labels with proper keys; 'my zone': 1 to 128 of A-Z a-z 0-9 . _ / -"),
        ("zone=" + "a" * 300, "must be labels with proper values; zone: 300 characters; 0 to 256"),
    ],
)
def test_labels_that_no_rule_could_name_are_refused(tmp_path: Path, labels: str, rule: str) -> None:
    (problem,) = problems(tmp_path=tmp_path, environment={"TOWER_NODE_LABELS": labels})
    assert rule in problem


def test_every_setting_has_a_variable_of_its_own() -> None:
    variables = [variable_of(key) for key in setting_keys()]
    assert len(set(variables)) == len(variables)


# ---- lines --------------------------------------------------------------------------------------


def test_keys_are_found_on_their_lines_whatever_surrounds_them() -> None:
    text = '''# a comment with [brackets] and key = value
top.dotted = 1

[node]   # the node
name = "x # not a comment [nor a table]"
list = [
  "a = 1",
  ["[b]"],
]
inline = { deep = 1 }
text = """
[not.a.table]
key = "nor a key"
"""
[ listen ]
"quoted" = \'\'\'one line\'\'\'
after = 2
'''
    assert locate_keys(text) == {
        ("top",): 2,
        ("top", "dotted"): 2,
        ("node",): 4,
        ("node", "name"): 5,
        ("node", "list"): 6,
        ("node", "inline"): 10,
        ("node", "text"): 11,
        ("listen",): 15,
        ("listen", "quoted"): 16,
        ("listen", "after"): 17,
    }


@given(st.text(alphabet="ab[]{}=\"'#\n.,\\ ", max_size=80))
def test_locating_keys_is_total(text: str) -> None:
    lines = locate_keys(text)
    assert all(1 <= line <= len(text.splitlines()) for line in lines.values())
