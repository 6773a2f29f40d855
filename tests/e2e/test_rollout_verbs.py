"""What a person does to a service that runs, from the command line, on a real cluster."""

from __future__ import annotations

import json
import urllib.request
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.lab import agents_on_a_lab
from tests.support.open_load import OpenLoad
from tests.support.shop import APP, Shop

pytestmark = pytest.mark.lab


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    directory = tmp_path_factory.mktemp("verbs")
    with agents_on_a_lab("v", directory) as agents:
        shop = Shop(agents.lab, agents, directory)
        shop.roll_out("one")
        yield shop


def asked(shop: Shop, *words: str) -> Any:
    return json.loads(shop.tower(*words, "--json"))


def test_requests_are_shared_by_hand_promoted_and_given_back_to_what_is_kept(shop: Shop) -> None:
    settled(shop)
    before = asked(shop, "services", "web")["revision"]
    # Without requests a first share would say nothing, and be left out.
    with OpenLoad(shop.addresses, APP, rate_per_s=60).running():
        shop.deploy("two", strategy="blue-green")
        shop.agents.wait("green gets its first share", lambda: is_shared(shop), tell=shop.tell)
        assert "not possible as things are" in shop.try_tower("rollout", "resume", "web").stderr.lower()

        split = asked(shop, "traffic", "web", "--new", "40%")
        assert sorted(each["permille"] for each in split["shares"]) == [400, 600]
        assert (split["waiting_for"], split["by"]) == ([], "admin")
        assert len(split["routers"]) == 3
        paused = asked(shop, "rollout", "status", "web")
        assert (paused["phase"], "resume" in paused["can"]) == ("paused", True)

        shop.tower("rollout", "resume", "web")
        shop.tower("rollout", "promote", "web", "--wait", "--reason", "it is well")
        served = asked(shop, "services", "web")
        assert [(each["revision"], each["permille"]) for each in served["serving"] if each["permille"]] == [
            (paused["to_revision"], 1000)
        ]
        assert served["kept"]["revision"] == before
        assert served["drift"] == served["unseen"] == []
        # What runs is told by what the engines say, and that is what was pinned.
        assert {each["digest"] for each in served["running"]} == {served["digest"]}

        assert "at once" in shop.tower("rollback", "web")
        served = asked(shop, "services", "web")
        assert [each["revision"] for each in served["serving"] if each["permille"]] == [before]


def is_shared(shop: Shop) -> bool:
    split = asked(shop, "rollout", "status", "web")["split"]
    return split is not None and all(each["permille"] for each in split["shares"])


def test_a_service_that_is_scaled_and_restarted_stays_whole(shop: Shop) -> None:
    settled(shop)
    shop.tower("scale", "web=2")
    shop.agents.wait("there are two replicas", lambda: len(shop.ordinals()) == 2, tell=shop.tell)
    shop.tower("scale", "web=3")
    shop.agents.wait("there are three again", shop.is_whole, tell=shop.tell)

    before = shop.containers()
    shop.tower("restart", "web")
    after = shop.containers()
    assert {name for names in before.values() for name in names}.isdisjoint(
        name for names in after.values() for name in names
    )
    assert [change["field"] for change in asked(shop, "compare", "web")["changes"]] == [
        "labels.tower.restarted"
    ]
    # The same file again is no reason to replace them once more.
    shop.roll_out("one")
    assert shop.containers() == after


def test_the_past_can_be_looked_at_and_gone_back_to(shop: Shop) -> None:
    settled(shop)
    shop.roll_out("three")
    entries = asked(shop, "history", "web")["revisions"]
    newest, before = entries[0], entries[1]
    assert newest["state"] == "stable"
    assert next(change["field"] for change in newest["changes"]) == "environment.VERSION"
    assert newest["attempts"][0]["asked_by"] == "admin"

    shop.tower("rollback", "web", "--to", str(before["revision"]))
    entries = asked(shop, "history", "web")["revisions"]
    states = {entry["revision"]: entry["state"] for entry in entries}
    assert states[before["revision"]] == "stable"
    assert states[newest["revision"]] == "was-stable"
    refused = shop.try_tower("rollback", "web", "--to", "999")
    assert (refused.returncode, "there has never been" in refused.stderr) == (1, True)


def test_a_revision_that_never_serves_fails_the_command_and_is_tried_again(shop: Shop) -> None:
    settled(shop)
    compose = shop.compose("broken").replace("VERSION:", 'UP: "never", VERSION:')
    compose = compose.replace("x-tower:", "x-tower:\n      start_deadline: 4s\n      retries: 0")
    done = shop.try_tower("deploy", shop.write(compose))
    assert done.returncode == 1, done.stdout + done.stderr
    assert shop.is_whole()
    again = shop.try_tower("rollout", "retry", "web", "--wait")
    assert (again.returncode, "is tried again" in again.stdout) == (1, True)
    assert "did not last" in shop.try_tower("rollback", "web").stderr


def test_an_experiment_gives_each_request_to_its_side_and_whoever_ends_it_keeps_one(shop: Shop) -> None:
    settled(shop)
    at_once = shop.compose("one").replace("x-tower:", "x-tower:\n      analysis: {warmup: 0s}")
    shop.tower("deploy", shop.write(at_once))
    with OpenLoad(shop.addresses, APP, rate_per_s=120).running() as load:
        b = shop.write(shop.compose("two"))
        shop.tower(
            *("experiment", "start", "web", "-f", b, "--share", "30%"),
            *("--header", "X-Beta=yes", "--cookie", "plan=pro"),
        )
        for address in shop.addresses:
            assert answered(address, {"X-Beta": "yes"}) == "two"
            assert answered(address, {"Cookie": "seen=1; plan=pro"}) == "two"
            assert answered(address, {"X-Beta": "no", "Cookie": "plan=free"}) in ("one", "two")
        assert_visitors_stay(shop)
        refused = shop.try_tower("scale", "web=2")
        assert (refused.returncode, "tower experiment end shop.web" in refused.stderr) == (1, True)

        shop.agents.wait("both were measured", lambda: measured(shop, 60), tell=shop.tell)
        view = asked(shop, "experiment", "status", "web")
        assert (view["state"], view["waiting_for"]) == ("running", [])
        for metric in view["comparison"]["metrics"]:
            assert None not in (metric["a"]["value"], metric["b"]["value"]), metric
            assert metric["conclusion"] in ("undecided", "better", "worse"), metric
        difference = view["comparison"]["metrics"][0]["difference"]
        assert difference["low"] <= difference["value"] == 0.0 <= difference["high"]
        said = shop.tower("experiment", "status", "web")
        assert "which fails more often cannot be said yet" in said

        ended = shop.tower("experiment", "end", "web", "--keep", "a", "--reason", "it sold no more")
        assert "by admin; a is kept" in ended
        assert {answered(each, {"X-Beta": "yes"}) for each in shop.addresses} == {"one"}

        shop.tower("experiment", "start", "web", "-f", b, "--header", "X-Beta=yes")
        assert "by admin; b is kept" in shop.tower("experiment", "end", "web", "--keep", "b")
        assert {answered(each) for each in shop.addresses} == {"two"}

        a = shop.write(shop.compose("one"))
        shop.tower("experiment", "start", "web", "-f", a, "--header", "X-Beta=yes", "--for", "1s")
        shop.agents.wait("its time is over", lambda: is_over(shop), tell=shop.tell)
        assert "as planned; a is kept" in shop.tower("experiment", "status", "web")
        assert {answered(each, {"X-Beta": "yes"}) for each in shop.addresses} == {"two"}
    assert load.seen.lost() == []
    assert shop.is_whole()
    assert len(asked(shop, "experiment", "list", "--service", "web")["items"]) == 3


def answered(address: str, headers: dict[str, str] | None = None) -> str:
    """The version that answers one request through a host's router."""
    return visited(address, headers or {})[0]


def visited(address: str, headers: dict[str, str]) -> tuple[str, str]:
    """The same, and the cookie that was set."""
    request = urllib.request.Request(f"http://{address}/", headers={"Host": APP, **headers})
    with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310 (a router of the lab)
        return str(answer.headers["X-Version"]), str(answer.headers["Set-Cookie"] or "").partition(";")[0]


def assert_visitors_stay(shop: Shop) -> None:
    """On the side that chance gave them, through whichever host, and some on each."""
    sides: Counter[str] = Counter()
    for number in range(40):
        side, cookie = visited(shop.addresses[number % 3], {})
        sides[side] += 1
        assert {answered(address, {"Cookie": cookie}) for address in shop.addresses} == {side}
    assert 2 <= sides["two"] <= 25, sides


def measured(shop: Shop, requests: int) -> bool:
    comparison = asked(shop, "experiment", "status", "web")["comparison"]
    return comparison is not None and min(comparison["a_requests"], comparison["b_requests"]) >= requests


def is_over(shop: Shop) -> bool:
    return bool(asked(shop, "experiment", "status", "web")["state"] == "ended")


def settled(shop: Shop) -> None:
    """Have version one run whole, whatever the test before left."""
    shop.tower("deploy", shop.write(shop.compose("one")), "--strategy", "rolling")
    shop.agents.wait("every replica runs once", shop.is_whole, tell=shop.tell)
