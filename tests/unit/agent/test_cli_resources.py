"""What `tower image`, `volume`, `network` and `project` ask for, and say."""

from __future__ import annotations

from typing import Any, NamedTuple

from tests.support.cli_kit import Tower
from tests.support.stub_api import Answer, StubApi

PLAN: dict[str, Any] = {
    "is_done": False,
    "plan": "AWFi",
    "items": [
        {
            "kind": "image",
            "id": "sha256:ab",
            "name": "demo/web:1",
            "node_id": "nd_1",
            "node_name": "h1",
            "bytes": 2048,
            "outcome": "planned",
            "why": "no container uses it",
        }
    ],
    "kept": [],
    "bytes": 2048,
    "gone": 0,
    "left_over": 0,
    "problems": [],
}


class Done(NamedTuple):
    status: int
    out: str
    err: str


def ask(tower: Tower, *words: str) -> Done:
    return Done(*tower(*words))


def with_outcome(outcome: str, why: str = "") -> dict[str, Any]:
    items = [{**PLAN["items"][0], "outcome": outcome, "why": why}]
    return {**PLAN, "is_done": True, "plan": None, "items": items}


def an_image(**fields: Any) -> dict[str, Any]:
    return {
        "id": "sha256:" + "ab" * 32,
        "tags": ["demo/web:1"],
        "digests": [],
        "size_bytes": 1024,
        "created_at_ms": 0,
        "users": [],
        "may_go": True,
        "why": "no container uses it",
        "node_name": "h1",
        **fields,
    }


def test_images_are_listed_with_who_uses_them(api: StubApi, tower: Tower) -> None:
    used = an_image(users=[{"name": f"web-{number}"} for number in range(4)], may_go=False)
    needed = an_image(may_go=False, why="wanted by shop.web revision 2")
    problems = [{"node_name": "h2", "reason": "no answer"}]
    api.answers["GET /images"] = Answer(body={"items": [used, needed], "problems": problems})
    done = ask(tower, "image", "ls", "--unused", "--node", "h1")
    assert "web-0, web-1, web-2 and 1 more" in done.out
    assert "unused (wanted by shop.web revision 2)" in done.out
    assert "h2: no answer" in done.err
    assert api.requests[-1].query == {"node": "h1", "unused": "true", "limit": "10000"}


def test_pruning_shows_the_plan_and_removes_nothing(api: StubApi, tower: Tower) -> None:
    api.answers["POST /images/prune"] = Answer(body=PLAN)
    done = ask(tower, "image", "prune", "--keep-revisions", "5", "--older-than", "1")
    assert done.status == 0
    assert "free up to 2.0 KiB; remove it with --yes" in done.out
    assert [request.body for request in api.requests] == [
        {"nodes": [], "only_untagged": False, "keep_revisions": 5, "older_than_s": 86_400}
    ]


def test_with_yes_exactly_the_plan_is_carried_out(api: StubApi, tower: Tower) -> None:
    answers = iter([Answer(body=PLAN), Answer(body=with_outcome("removed"))])
    api.answers["POST /images/prune"] = lambda _: next(answers)
    done = ask(tower, "image", "prune", "--yes")
    assert done.status == 0
    assert "1 images removed, up to 2.0 KiB freed" in done.out
    assert [request.body.get("plan") for request in api.requests] == [None, "AWFi"]


def test_a_removal_that_failed_is_a_status_of_its_own(api: StubApi, tower: Tower) -> None:
    answers = iter([Answer(body=PLAN), Answer(body=with_outcome("failed", "h1 says no"))])
    api.answers["POST /images/prune"] = lambda _: next(answers)
    done = ask(tower, "image", "prune", "--yes")
    assert done.status == 1
    assert "failed: h1 says no" in done.out


def test_an_image_is_removed_by_its_name(api: StubApi, tower: Tower) -> None:
    body = {"kind": "image", "name": "demo/web:1", "node_name": "h1", "bytes": 1024}
    api.answers["DELETE /images/demo%2Fweb%3A1"] = Answer(body=body)
    done = ask(tower, "image", "rm", "demo/web:1", "--node", "h1", "--force")
    assert done.out == "demo/web:1 is removed from h1, 1.0 KiB\n"
    assert api.requests[-1].query == {"node": "h1", "force": "true"}


def test_a_pull_that_one_host_could_not_do_fails(api: StubApi, tower: Tower) -> None:
    items = [
        {"node_name": "h1", "is_pulled": True, "reason": ""},
        {"node_name": "h2", "is_pulled": False, "reason": "no answer"},
    ]
    api.answers["POST /images/pull"] = Answer(body={"image": "demo/web:2", "items": items})
    done = ask(tower, "image", "pull", "demo/web:2", "--node", "h1", "--node", "h2")
    assert done.status == 1
    assert done.out == "h1  has it\nh2  failed: no answer\n"
    assert api.requests[-1].body == {"image": "demo/web:2", "nodes": ["h1", "h2"]}


def test_a_volume_is_deleted_only_with_yes(api: StubApi, tower: Tower) -> None:
    refused = ask(tower, "volume", "rm", "data", "--node", "h1")
    assert refused.status == 2
    assert "nothing brings it back" in refused.err
    assert api.requests == []


def test_volumes_are_pruned_by_name_on_one_host(api: StubApi, tower: Tower) -> None:
    api.answers["POST /volumes/prune"] = Answer(body=PLAN)
    assert ask(tower, "volume", "prune", "a", "b").status == 2
    assert ask(tower, "volume", "prune", "a", "b", "--node", "h1").status == 0
    assert api.requests[-1].body == {
        "nodes": ["h1"],
        "volumes": [{"node": "h1", "name": "a"}, {"node": "h1", "name": "b"}],
    }


def test_volumes_and_networks_are_listed(api: StubApi, tower: Tower) -> None:
    common = {"driver": "local", "project": "shop", "users": [], "may_go": True, "why": "", "node_name": "h1"}
    volume = {**common, "name": "data", "size_bytes": None}
    network = {**common, "name": "bridge", "subnets": ["10.0.0.0/8"], "is_built_in": True}
    api.answers["GET /volumes"] = Answer(body={"items": [volume], "problems": []})
    api.answers["GET /networks"] = Answer(body={"items": [network], "problems": []})
    assert "data" in ask(tower, "volume", "ls").out
    assert "the engine's own" in ask(tower, "network", "ls").out


def test_a_project_is_stopped_and_each_container_told(api: StubApi, tower: Tower) -> None:
    steps = [
        {"node_name": "h1", "name": "blog-web-1", "outcome": "done", "reason": ""},
        {"node_name": "h1", "name": "blog-db-1", "outcome": "failed", "reason": "no answer"},
    ]
    api.answers["POST /projects/blog/stop"] = Answer(body={"items": steps})
    done = ask(tower, "project", "stop", "blog")
    assert done.status == 1
    assert done.out == "h1  blog-web-1  done\nh1  blog-db-1  failed: no answer\n"


def test_projects_are_listed(api: StubApi, tower: Tower) -> None:
    project = {
        "name": "blog",
        "state": "partial",
        "running": 1,
        "total": 2,
        "services": ["db", "web"],
        "hosts": [{"node_name": "h1"}, {"node_name": "h2"}],
    }
    api.answers["GET /projects"] = Answer(body={"items": [project], "problems": []})
    assert "blog     partial  1/2      db, web   h1, h2" in ask(tower, "project", "ls").out
