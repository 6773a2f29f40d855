"""Who answers: a model where there is a key for one and tokens are left, the rules otherwise."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from cluster.analytics.sentences import Language
from cluster.commands.assistant import KeepExchange
from cluster.commands.settings import PutSetting
from cluster.model.access import Role
from cluster.model.assistant import AssistantRules
from tests.support.identity_builders import a_keyring
from tests.support.scripted_answers import Asker, events_in
from tests.support.web_fakes import WebWorld, a_web_world, log_in, serving
from tests.unit.web.test_web_tools import a_call, a_context
from web.assistant import choosing
from web.assistant.choosing import answerer_of, standing_of
from web.assistant.views import NoModel

RULES = AssistantRules()
KEY = "sk-ant-a-key-that-nobody-sees"


async def put_key(world: WebWorld, value: str = KEY, name: str = RULES.key_secret) -> None:
    if not world.state.knows("root"):
        world.add_user("root", Role.ADMIN)
    async with serving(world) as client:
        response = await client.put(
            f"/api/v1/secrets/{name}", json={"value": value}, headers=await log_in(client, "root")
        )
        assert response.status == 200, await response.text()


def put_setting(world: WebWorld, key: str, value: str) -> None:
    world.state.must(PutSetting(key=f"assistant.{key}", value=value, expected_version=None))


async def chosen(world: WebWorld) -> tuple[str, NoModel | None]:
    context, call = a_context(world), a_call(world, Role.VIEWER)
    answerer, why = await answerer_of(context, standing_of(context, call))
    return answerer.name, why


async def test_without_a_key_the_rules_answer_and_it_is_said_what_is_missing() -> None:
    world = a_web_world()
    assert await chosen(world) == ("rules", NoModel.NO_KEY)
    standing = standing_of(a_context(world), a_call(world, Role.VIEWER))
    assert "`tower secret put anthropic-api-key`" in standing.hint(Language.EN)
    assert standing.hint(Language.IT) != standing.hint(Language.EN)


async def test_with_a_key_the_model_answers_that_is_set() -> None:
    world = a_web_world()
    await put_key(world)
    put_setting(world, "model", "claude-of-the-day")
    assert await chosen(world) == ("claude-of-the-day", None)


async def test_the_key_is_the_one_of_the_secret_that_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[dict[str, Any]] = []

    class Module:
        @staticmethod
        def ByModel(**fields: Any) -> Any:
            given.append(fields)
            return type("Answerer", (), {"name": fields["model"]})()

    world = a_web_world()
    await put_key(world, f" {KEY}\n", name="other-key")
    context, call = a_context(world), a_call(world, Role.VIEWER)
    monkeypatch.setitem(sys.modules, choosing.BY_MODEL, Module)
    put_setting(world, "key_secret", "other-key")
    put_setting(world, "base_url", "https://gateway.example/anthropic")
    answerer, why = await answerer_of(context, standing_of(context, call))
    assert (answerer.name, why) == (RULES.model, None)
    assert (given[0]["key"], given[0]["base_url"]) == (KEY, "https://gateway.example/anthropic")
    assert given[0]["key_secret"] == "other-key"


async def test_a_key_that_does_not_open_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    world = a_web_world()
    await put_key(world)
    context, call = a_context(world), a_call(world, Role.VIEWER)
    standing = standing_of(context, call)
    assert standing.no_model is None
    monkeypatch.setattr(world.cluster, "keyring", lambda: a_keyring("another"))
    assert (await answerer_of(a_context(world), standing))[1] is NoModel.NO_KEY


@pytest.mark.parametrize(
    ("key", "value", "no_model"),
    [("tokens_per_day", "0", NoModel.SWITCHED_OFF), ("tokens_per_day", "100", NoModel.USED_UP)],
)
async def test_whoever_has_no_tokens_is_answered_by_rules(key: str, value: str, no_model: NoModel) -> None:
    world = a_web_world()
    await put_key(world)
    put_setting(world, key, value)
    call = a_call(world, Role.VIEWER)
    world.state.must(
        KeepExchange(
            principal_id=call.known().principal_id, conversation_id="cv_1", number=1, sealed_title=b"",
            sealed=b"", asked_at_ms=world.clock.now_ms(), tokens=100,
        )
    )  # fmt: skip
    standing = standing_of(a_context(world), call)
    assert (standing.no_model, standing.tokens_left, standing.answerer) == (no_model, 0, "rules")


async def test_without_the_extra_the_rules_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    world = a_web_world()
    await put_key(world)
    monkeypatch.setattr(choosing, "HAS_SDK", False)
    assert await chosen(world) == ("rules", NoModel.NOT_INSTALLED)


async def test_rules_answer_over_the_interface_in_the_asker_s_language() -> None:
    world = a_web_world()
    world.add_user("ann", Role.VIEWER)
    async with serving(world) as client:
        ann = Asker(client, await log_in(client, "ann"))
        standing = await ann.get()
        assert (standing["answerer"], standing["no_model"], standing["model"]) == (
            "rules", "no-key", "claude-sonnet-5-5",
        )  # fmt: skip
        response = await ann.open("va tutto bene?", language="it")
        began, called, answered, *said, suggested, ended = events_in(await response.text())
        assert (began["answerer"], began["no_model"]) == ("rules", "no-key")
        assert (called["tool"], answered["is_error"]) == ("run-diagnosis", False)
        assert "Tutto bene" in "".join(part["text"] for part in said)
        assert "Il sistema sembra lento" in suggested["questions"]
        assert (ended["how"], ended["tokens"]) == ("answered", 0)


async def test_the_key_is_shown_nowhere(caplog: pytest.LogCaptureFixture) -> None:
    world = a_web_world()
    await put_key(world)
    context, call = a_context(world), a_call(world, Role.VIEWER)
    answerer, _ = await answerer_of(context, standing_of(context, call))
    assert KEY not in repr(answerer)
    assert KEY not in caplog.text
    assert KEY not in "".join(map(repr, world.state.audit()))
    rows = world.state.store.stored_range(b"", b"\xff", None, reverse=False)
    assert KEY.encode() not in b"".join(value for _, value in rows)
