"""What the command line reads around a Compose file, what it sends of that, and what it says by itself."""

from __future__ import annotations

import argparse
import io
import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from agent.cli import compose_files
from agent.cli.compose_files import ComposeInput
from agent.cli.failures import CommandFailed, UsageWrong
from agent.cli.main import main

WEB = "services:\n  web:\n    image: nginx:${TAG:-1}\n"


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a Compose file, which is where the command runs."""
    folder = tmp_path / "shop"
    folder.mkdir()
    (folder / "compose.yaml").write_text(WEB)
    monkeypatch.chdir(folder)
    monkeypatch.delenv("TAG", raising=False)
    return folder


def gathered(*words: str) -> ComposeInput:
    parser = argparse.ArgumentParser()
    compose_files.add_arguments(parser)
    return compose_files.gather(parser.parse_args(list(words)))


def lint(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, list[str]]:
    status = main(["service", "lint", *words])
    return status, capsys.readouterr().out.splitlines()


# ---- files --------------------------------------------------------------------------------------


def test_without_a_file_the_one_of_the_folder_is_read(shop: Path) -> None:
    assert gathered().body() == {"compose": WEB, "project": "shop", "variables": {}}


def test_a_folder_without_a_compose_file_is_told_what_to_name(
    shop: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageWrong, match=r"no compose\.yaml here"):
        gathered()


def test_several_files_are_sent_with_their_names_in_order(shop: Path) -> None:
    (shop / "prod.yaml").write_text("services: {}")
    (shop / "eu.yaml").write_text("name: eu")
    body = gathered("compose.yaml", "prod.yaml", "-f", "eu.yaml").body()
    assert body["file"] == "compose.yaml"
    assert body["overrides"] == [
        {"compose": "services: {}", "file": "prod.yaml"},
        {"compose": "name: eu", "file": "eu.yaml"},
    ]


def test_files_that_are_named_are_sent_from_beside_the_first_compose_file(
    shop: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (shop / "web.env").write_text("A=1\n")
    (shop / "page.html").write_text("<html/>")
    (shop / "compose.yaml").write_text(
        WEB + "    env_file: [web.env, {path: none.env, required: false}]\n"
        "configs: {page: {file: ./page.html}}\n"
    )
    monkeypatch.chdir(tmp_path)
    body = gathered("shop/compose.yaml").body()
    assert body["files"] == {"web.env": "A=1\n", "./page.html": "<html/>"}


def test_a_file_that_is_named_by_a_variable_is_found(shop: Path) -> None:
    (shop / "prod.env").write_text("A=1\n")
    (shop / "compose.yaml").write_text(WEB + "    env_file: ${STAGE}.env\n")
    assert gathered("--variable", "STAGE=prod").beside == {"prod.env": "A=1\n"}


def test_every_file_that_is_missing_is_named_with_its_place_and_nothing_is_sent(shop: Path) -> None:
    (shop / "compose.yaml").write_text(WEB + "    env_file: [a.env, b.env]\n")
    with pytest.raises(CommandFailed) as failed:
        gathered().check_complete()
    lines = str(failed.value).splitlines()
    assert len(lines) == 2
    assert lines[0].startswith("compose.yaml, line 4, column 16: services.web.env_file[0]: cannot read a.env")


def test_a_file_beside_is_bounded(shop: Path) -> None:
    (shop / "web.env").write_text("A=" + "x" * 256 * 1024)
    (shop / "compose.yaml").write_text(WEB + "    env_file: web.env\n")
    with pytest.raises(CommandFailed, match="larger than 256 KiB"):
        gathered().check_complete()


def test_standard_input_is_read_once(shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(WEB.encode())))
    assert gathered("-").body()["compose"] == WEB
    with pytest.raises(UsageWrong, match="standard input"):
        gathered("-", "-")


# ---- variables ----------------------------------------------------------------------------------


def test_the_command_wins_over_the_shell_and_the_shell_over_files_of_variables(
    shop: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (shop / ".env").write_text("TAG=file\n")
    assert gathered().variables == {"TAG": "file"}
    monkeypatch.setenv("TAG", "shell")
    assert gathered().variables == {"TAG": "shell"}
    assert gathered("--variable", "TAG=command").variables == {"TAG": "command"}


def test_named_files_of_variables_stand_for_the_one_beside_the_file(shop: Path) -> None:
    (shop / ".env").write_text("TAG=beside\n")
    (shop / "a.env").write_text("TAG=a\nOTHER=1\n")
    (shop / "b.env").write_text("TAG=b-${OTHER}\n")
    assert gathered("--env-file", "a.env", "--env-file", "b.env").variables == {"TAG": "b-1"}


def test_nothing_of_the_shell_is_sent_that_no_file_names(shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hunter2")
    assert "hunter2" not in json.dumps(gathered().body())


def test_what_an_environment_passes_through_or_a_file_of_variables_names_is_sent(
    shop: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (shop / "web.env").write_text("URL=http://${HOST_NAME}/\n")
    (shop / "compose.yaml").write_text(WEB + "    env_file: web.env\n    environment: [PASSED]\n")
    monkeypatch.setenv("HOST_NAME", "h1")
    monkeypatch.setenv("PASSED", "on")
    assert gathered().variables == {"HOST_NAME": "h1", "PASSED": "on"}


def test_a_file_of_variables_with_a_wrong_line_is_told_by_its_line(shop: Path) -> None:
    (shop / ".env").write_text("A=1\nnot a variable\n")
    with pytest.raises(CommandFailed, match=r"\.env, line 2: write NAME=value"):
        gathered()


# ---- lint and schema ----------------------------------------------------------------------------


def test_lint_names_file_line_and_column_of_all_that_is_wrong(
    shop: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (shop / "compose.yaml").write_text(WEB + "    ports: 7\n    env_file: none.env\n")
    (shop / "prod.yaml").write_text("services:\n  web:\n    heathcheck: {}\n")
    status, lines = lint(capsys, "compose.yaml", "prod.yaml")
    assert status == 1
    assert lines == [
        "compose.yaml:4:12: error: services.web.ports: this is the number 7; a list is expected",
        "compose.yaml:5:15: error: services.web.env_file: cannot read none.env: No such file or directory",
        "prod.yaml:3:17: error: services.web.heathcheck: 'heathcheck' is not known"
        " (did you mean healthcheck?)",
        "3 errors",
    ]


def test_lint_is_content_with_what_would_be_deployed(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert lint(capsys) == (0, ["nothing is wrong"])


def test_a_warning_fails_only_where_that_is_wanted(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (shop / "compose.yaml").write_text(WEB + "    environment: {API_KEY: abc}\n")
    assert lint(capsys)[0] == 0
    status, lines = lint(capsys, "--strict")
    assert status == 1
    assert lines[-1] == "1 warning"


def test_lint_looks_at_every_environment_of_the_file(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sections = "x-tower-environments:\n  staging: {services: {web: {deploy: {replicas: lots}}}}\n  prod: {}\n"
    (shop / "compose.yaml").write_text(WEB + sections)
    status, lines = lint(capsys)
    assert status == 1
    assert lines[0].startswith("compose.yaml:5:49: error: x-tower-environments.staging.services.web.deploy")
    assert lint(capsys, "--environment", "prod")[0] == 0


def test_lint_tells_programs_the_same(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (shop / "compose.yaml").write_text(WEB + "    ports: 7\n    tty: true\n")
    _, lines = lint(capsys, "--json")
    report: dict[str, Any] = json.loads("\n".join(lines))
    assert (report["errors"], report["warnings"]) == (1, 0)
    assert (report["findings"][0]["file"], report["findings"][0]["line"]) == ("compose.yaml", 4)


def test_lint_of_a_file_that_is_not_there_is_refused(shop: Path) -> None:
    assert main(["service", "lint", "none.yaml"]) == 1


def test_the_schema_is_printed_for_editors(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["service", "schema"]) == 0
    jsonschema.Draft202012Validator.check_schema(json.loads(capsys.readouterr().out))
