"""The command as a whole: what it says, how it ends, what it imports."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from agent.cli import completion, output
from agent.cli.main import VERBS, build_parser, find_verb, main

ROOT = Path(__file__).resolve().parents[3]


def tower(*words: str, environment: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    clean = {key: value for key, value in os.environ.items() if not key.startswith("TOWER_")}
    return subprocess.run(
        [sys.executable, "-m", "agent.cli.main", *words],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**clean, **(environment or {})},
        timeout=60,
        check=False,
    )


def called(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    """Run a command here: its status, what it printed, what it complained of."""
    try:
        status = main(words)
    except SystemExit as ended:
        status = int(ended.code or 0)
    captured = capsys.readouterr()
    return status, captured.out, captured.err


@pytest.mark.parametrize("words", [["--help"], ["version"], ["config", "--help"], ["completion", "bash"]])
def test_a_command_that_asks_nobody_imports_nothing_dear(words: list[str]) -> None:
    program = (
        "import sys\nfrom agent.cli.main import main\n"
        f"try:\n    main({words!r})\nexcept SystemExit:\n    pass\n"
        "print('\\n'.join(sorted(sys.modules)), file=sys.stderr)"
    )
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT, timeout=60, check=True
    )
    # Asking for all verbs imports all of their modules; a verb that is called imports its own.
    if words[0] not in ("--help", "completion"):
        assert "asyncio" not in run.stderr.split()
        assert "agent.cli.deploy" not in run.stderr.split()
    imported = {module.partition(".")[0] for module in run.stderr.split()}
    dear = {"aiodocker", "aiohttp", "cluster", "cryptography", "lmdb", "mcp", "numpy", "pydantic"}
    assert imported & (dear | {"rich", "web", "yaml", "uvloop"}) == set()
    assert not [module for module in run.stderr.split() if re.match(r"agent\.(?!cli)", module)]


def test_the_help_names_every_command_and_every_status(capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = called(capsys, "--help")
    assert status == 0
    for verb in VERBS:
        assert re.search(rf"^    {verb}\b", out, re.MULTILINE), verb
    assert "0 done, 1 refused or failed, 2 called wrongly, 3 outcome unknown" in out


def test_every_command_explains_itself(capsys: pytest.CaptureFixture[str]) -> None:
    for verb in VERBS:
        if verb == "lab":
            # Hands its words on to a program of its own, which may not be installed.
            continue
        status, out, _ = called(capsys, verb, "--help")
        assert status == 0
        assert f"usage: tower {verb}" in out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["statsu"], "there is no 'statsu'; did you mean 'status'?"),
        (["config", "shwo"], "there is no 'shwo'; did you mean 'show'?"),
        (["completion", "tcsh"], "there is no 'tcsh'; "),
        ([], "the following arguments are required: COMMAND"),
        (["logs"], "the following arguments are required: CONTAINER"),
        (["status", "--jsn"], "unrecognized arguments: --jsn"),
        (["token", "create", "--ttl", "soon"], "'soon' is not a time such as 90s, 30m, 24h or 7d"),
        (["join", "h1"], "the join token is missing"),
        (["join", "--token", "x"], "HOST is missing"),
        (["recover"], "gone for good"),
        (["run", "--set", "log.level"], "there is no '='"),
        (["run", "--set", "log.level=loud"], 'log.level = "loud"'),
        (["status", "--server", "http://x"], "is not the address of a host"),
    ],
)
def test_a_wrong_call_ends_with_2_a_line_and_a_hint(
    capsys: pytest.CaptureFixture[str], words: list[str], said: str
) -> None:
    status, out, err = called(capsys, *words)
    assert status == 2
    assert out == ""
    assert said in err
    assert err.startswith("tower: ")
    assert "\n  hint: " in err


@pytest.mark.parametrize(
    ("words", "verb"),
    [
        (["status"], "status"),
        (["--json", "--server", "status", "ps"], "ps"),
        (["--server=status", "ps"], "ps"),
        (["statsu"], None),
        (["--help"], None),
        (["--server"], None),
        ([], None),
    ],
)
def test_the_verb_is_found_wherever_global_flags_stand(words: list[str], verb: str | None) -> None:
    assert find_verb(words) == verb


def test_a_flag_that_a_command_does_not_know_is_told_with_the_help_of_that_command(
    capsys: pytest.CaptureFixture[str],
) -> None:
    status, _, errors = called(capsys, "--json", "secret", "put", "pw", "--colour", "red")
    assert status == 2
    assert errors.splitlines() == [
        "tower: unrecognized arguments: --colour red",
        "  hint: see `tower secret put --help`",
    ]


def test_global_flags_may_stand_before_or_after_the_command() -> None:
    parser = build_parser()
    before = parser.parse_args(["--json", "--server", "h1", "token", "list"])
    after = parser.parse_args(["token", "list", "--json", "--server", "h1"])
    assert (before.json, before.server) == (after.json, after.server) == (True, "h1")


def test_the_version_is_printed_for_people_and_for_programs(capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = called(capsys, "version")
    assert status == 0
    assert out.startswith("tower ")
    assert set(json.loads(called(capsys, "version", "--json")[1])) == {"version", "python"}


def test_a_reader_that_has_seen_enough_is_no_failure() -> None:
    script = f"{sys.executable} -m agent.cli.main config example | head -1; echo ${{PIPESTATUS[0]}}"
    run = subprocess.run(
        ["bash", "-c", script], capture_output=True, text=True, cwd=ROOT, timeout=60, check=True
    )
    assert run.stdout.splitlines()[-1] == "0"
    assert run.stderr == ""


# ---- settings -----------------------------------------------------------------------------------


def test_settings_are_checked_with_every_problem(tmp_path: Path) -> None:
    file = tmp_path / "tower.toml"
    file.write_text('[node]\nname = "A b"\n[log]\nlevel = "loud"\n')
    run = tower("config", "check", "--config", str(file))
    assert run.returncode == 2
    lines = run.stderr.splitlines()
    assert lines[0] == "tower: 2 problems in the settings"
    assert lines[1].startswith(f"  {file}:2: node.name")
    assert lines[2].startswith(f"  {file}:4: log.level")
    file.write_text('[log]\nlevel = "debug"\n')
    assert tower("config", "check", "--config", str(file)).returncode == 0
    assert tower("config", "check", environment={"TOWER_CONFIG": str(file)}).returncode == 0


def test_settings_in_force_are_shown_with_their_origin(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = tmp_path / "password"
    secret.write_text("hunter2")
    monkeypatch.setenv("TOWER_BOOTSTRAP_ADMIN_PASSWORD_FILE", str(secret))
    flags = ("--set", "raft.heartbeat_ms=100", "--node-name", "h9")
    _, out, _ = called(capsys, "config", "show", "--origin", *flags)
    shown = {line.split()[0]: line.split()[1:] for line in out.splitlines()}
    assert shown["node.name"] == ['"h9"', "--set"]
    assert shown["raft.heartbeat_ms"] == ["100", "--set"]
    assert shown["log.level"] == ['"info"', "default"]
    assert "TOWER_BOOTSTRAP_ADMIN_PASSWORD_FILE" in " ".join(shown["bootstrap.admin_password"])
    assert "hunter2" not in out
    as_json = json.loads(called(capsys, "config", "show", "--json", *flags)[1])
    assert as_json["node.name"] == {"value": '"h9"', "origin": "--set"}


# ---- completion ---------------------------------------------------------------------------------


def test_completion_knows_every_command_and_flag() -> None:
    words = completion.collect_words(build_parser())
    assert set(VERBS) <= set(words["tower"])
    assert {"create", "list", "revoke"} <= set(words["tower token"])
    assert "--follow" in words["tower logs"]
    assert {"bash", "zsh", "fish"} <= set(words["tower completion"])


@pytest.mark.parametrize(
    ("typed", "offered"),
    [("tower sta", ["status"]), ("tower token cr", ["create"]), ("tower logs --foll", ["--follow"])],
)
def test_bash_completes_what_was_begun(typed: str, offered: list[str]) -> None:
    script = completion.render_bash(completion.collect_words(build_parser()))
    tab = f"COMP_WORDS=({typed}); COMP_CWORD={len(typed.split()) - 1}"
    run = subprocess.run(
        ["bash", "-c", f'{script}\n{tab}; _tower; echo "${{COMPREPLY[@]}}"'],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert run.stdout.split() == offered
    assert run.stderr == ""


def test_fish_is_given_one_line_per_word(capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = called(capsys, "completion", "fish")
    seen = "__fish_seen_subcommand_from"
    assert "complete -c tower -n '__fish_use_subcommand' -a status" in out
    assert f"complete -c tower -n '{seen} token; and {seen} create' -l ttl" in out


# ---- output -------------------------------------------------------------------------------------


def test_a_table_in_a_pipe_is_plain_columns(capsys: pytest.CaptureFixture[str]) -> None:
    output.print_table(("name", "state"), [("web", "running"), ("database", None)], empty="nothing")
    assert capsys.readouterr().out == "NAME      STATE\nweb       running\ndatabase  -\n"
    output.print_table(("name",), [], empty="nothing")
    assert capsys.readouterr().out == "nothing\n"


def test_a_table_on_a_terminal_has_colours(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm-256color")
    output.print_table(("name", "state"), [("[web]", "running"), ("db\x1b]0;evil\x07", "down")], empty="")
    out = capsys.readouterr().out
    assert "\x1b[32mrunning" in out
    assert "\x1b[31mdown" in out
    assert "[web]" in out
    assert "\x1b]0" not in out
    assert "\x07" not in out


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain\ttext", "plain\ttext"),
        ("\x1b[31mred\x1b[0m", "\x1b[31mred\x1b[0m"),
        ("\x1b[2Jwipe", "\N{REPLACEMENT CHARACTER}[2Jwipe"),
        (
            "bell\x07 back\x08 c1\x9b",
            "bell\N{REPLACEMENT CHARACTER} back\N{REPLACEMENT CHARACTER} c1\N{REPLACEMENT CHARACTER}",
        ),
    ],
)
def test_only_colours_of_what_containers_write_reach_the_terminal(text: str, shown: str) -> None:
    assert output.printable(text) == shown


@pytest.mark.parametrize(
    ("count", "shown"),
    [
        (None, ""),
        (0, "0 B"),
        (1023, "1023 B"),
        (1536, "1.5 KiB"),
        (5 << 30, "5.0 GiB"),
        (3 << 50, "3072.0 TiB"),
    ],
)
def test_sizes_are_for_people(count: int | None, shown: str) -> None:
    assert output.in_bytes(count) == shown


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(None, ""), (-1, "0s"), (59.9, "59s"), (60, "1m"), (7199, "1h"), (200_000, "2d")],
)
def test_spans_are_for_people(seconds: float | None, shown: str) -> None:
    assert output.duration(seconds) == shown
