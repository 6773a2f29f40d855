"""What a change did to fields, as the audit keeps it."""

from __future__ import annotations

import json
from dataclasses import asdict

from cluster.model.access import Role
from tests.support.web_fakes import a_web_world, log_in, serving
from web.tools.environments import EnvironmentSettings
from web.tools.recorded_changes import CHARACTERS_MAX, changed


def test_only_what_differs_is_told_with_both_values() -> None:
    assert changed({"soak_s": 1800, "hosts": ()}, {"soak_s": 600, "hosts": ()}) == (
        "changed soak_s: 1800 → 600"
    )
    assert changed({"a": 1}, {"a": 1}) == ""


def test_what_is_new_had_nothing_before_and_what_went_has_nothing_after() -> None:
    assert changed(None, {"name": "qa"}) == 'changed name: null → "qa"'
    assert changed({"name": "qa"}, None) == 'changed name: "qa" → null'


def test_long_values_are_cut_and_many_fields_are_counted() -> None:
    many = {f"field_{number}": "x" * 500 for number in range(20)}
    told = changed(None, many)
    assert len(told) <= CHARACTERS_MAX + 20
    assert told.endswith("and 16 more")
    value = told.split(" → ")[1].split("; ")[0]
    assert json.loads(value).endswith("…")


async def test_an_entry_of_the_audit_says_what_became_of_an_environment_and_a_role() -> None:
    world = a_web_world()
    world.add_user("ada", Role.ADMIN)
    world.add_user("otto", Role.OPERATOR)
    async with serving(world) as client:
        headers = await log_in(client, "ada")
        first = {**asdict(EnvironmentSettings()), "soak_s": 600}
        for body in (first, {**first, "protected": True}):
            async with client.put("/api/v1/environments/staging", json=body, headers=headers) as answer:
                assert answer.status == 200, await answer.text()
        async with client.post("/api/v1/users/otto/role", json={"role": "viewer"}, headers=headers) as answer:
            assert answer.status == 200, await answer.text()
    reasons = [entry.stamp.reason for entry in world.state.audit()][-3:]
    assert "changed soak_s: 1800 → 600" in reasons[0]
    assert reasons[1].endswith("changed protected: false → true")
    assert reasons[2].endswith('changed role: "operator" → "viewer"')
