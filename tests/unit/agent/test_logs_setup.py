from __future__ import annotations

import asyncio
import io
import json
import logging
import warnings
from collections.abc import Iterator

import pytest

from agent.logs import bound_fields, configure_logging


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    """Where lines go; afterwards logging is as it was."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    levels = {name: logging.getLogger(name).level for name in ("agent", "cluster", "web")}
    yield io.StringIO()
    root.handlers[:], root.level = handlers, level
    for name, kept in levels.items():
        logging.getLogger(name).setLevel(kept)
    logging.captureWarnings(capture=False)


def lines(stream: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_line_is_one_json_object_with_the_event_and_its_fields(stream: io.StringIO) -> None:
    configure_logging("info", "json", stream)
    logging.getLogger("agent.docker").info("engine.available", extra={"api": "1.41", "count": 3})
    [line] = lines(stream)
    at = str(line.pop("at"))
    assert at.endswith("Z")
    assert "T" in at
    assert line == {
        "level": "info",
        "logger": "agent.docker",
        "event": "engine.available",
        "api": "1.41",
        "count": 3,
    }


def test_a_person_gets_one_short_line(stream: io.StringIO) -> None:
    configure_logging("info", "text", stream)
    logging.getLogger("agent").warning("engine.gone", extra={"reason": "not running", "tries": 2})
    assert stream.getvalue()[13:] == 'WARNING engine.gone reason="not running" tries=2\n'


def test_bound_fields_reach_the_tasks_inside_and_no_further(stream: io.StringIO) -> None:
    configure_logging("info", "json", stream)
    log = logging.getLogger("agent")

    async def inner() -> None:
        log.info("inside")

    async def outer() -> None:
        with bound_fields(rollout_id="ro_1"), bound_fields(step=2):
            async with asyncio.TaskGroup() as group:
                group.create_task(inner())
        log.info("outside")

    asyncio.run(outer())
    inside, outside = lines(stream)
    assert (inside["rollout_id"], inside["step"]) == ("ro_1", 2)
    assert "rollout_id" not in outside


@pytest.mark.parametrize("name", ["password", "join_token", "Authorization", "api_key", "client_secret"])
@pytest.mark.parametrize("log_format", ["json", "text"])
def test_a_field_with_a_secrets_name_is_never_written(
    stream: io.StringIO, name: str, log_format: str
) -> None:
    configure_logging("info", log_format, stream)  # type: ignore[arg-type]  # one of the two
    logging.getLogger("agent").info("login", extra={name: "hunter2"})
    assert "hunter2" not in stream.getvalue()
    assert "[redacted]" in stream.getvalue()


def test_a_failure_keeps_its_traceback_in_the_same_line(stream: io.StringIO) -> None:
    configure_logging("info", "json", stream)
    try:
        int("no")
    except ValueError:
        logging.getLogger("agent").exception("loop.failed")
    [line] = lines(stream)
    assert "ValueError: invalid literal" in str(line["error"])


def test_a_field_cannot_stand_in_for_one_of_ours(stream: io.StringIO) -> None:
    configure_logging("info", "json", stream)
    logging.getLogger("agent").info("e", extra={"event": "other", "level": "x"})
    [line] = lines(stream)
    assert (line["event"], line["event_"], line["level"]) == ("e", "other", "info")


def test_what_json_does_not_know_is_written_as_text(stream: io.StringIO) -> None:
    configure_logging("info", "json", stream)
    logging.getLogger("agent").info("e", extra={"path": object(), "text": "line\nline"})
    assert len(stream.getvalue().splitlines()) == 1


def test_levels_hold_for_us_and_libraries_stay_quiet(stream: io.StringIO) -> None:
    configure_logging("debug", "json", stream)
    configure_logging("debug", "json", stream)
    logging.getLogger("web.api").debug("ours")
    logging.getLogger("aiohttp").info("theirs")
    logging.getLogger("aiohttp").warning("theirs, worth hearing")
    assert [line["event"] for line in lines(stream)] == ["ours", "theirs, worth hearing"]


def test_warnings_become_lines(stream: io.StringIO) -> None:
    configure_logging("info", "json", stream)
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(capture=True)
        warnings.warn("careful", stacklevel=1)
    assert "careful" in str(lines(stream)[0]["event"])
