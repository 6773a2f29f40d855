"""Following, steering, going back, sharing, comparing: what the verbs ask for, say, and end with."""

from __future__ import annotations

import io
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from agent.cli.main import main
from agent.cli.rollout_words import bar_of, details_of, line_of
from agent.cli.scaling_words import scaling_lines
from agent.cli.services import rollout_lines
from tests.support.cli_kit import Tower
from tests.support.stub_api import Answer, Request, StubApi


@pytest.fixture
def api(api: StubApi, monkeypatch: pytest.MonkeyPatch) -> Iterator[StubApi]:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    for module in ("following", "traffic"):
        monkeypatch.setattr(f"agent.cli.{module}.POLL_INTERVAL_S", 0)
    yield api
    monkeypatch.undo()
    time.tzset()


def a_rollout(phase: str = "running", **more: Any) -> dict[str, Any]:
    return {
        "id": "ro_1",
        "service_id": "shop.web",
        "phase": phase,
        "progress": "canary step 2 of 3, 10 %: watched",
        "aim": "deploy",
        "strategy": "canary",
        "is_unjudged": False,
        "asked_by": "ann",
        "can": ["pause", "promote", "abort"] if phase == "running" else [],
        "reason": "",
        "verdict": "",
        **more,
    }


def a_stage() -> dict[str, Any]:
    return {"step": 2, "steps": [{"permille": 50}, {"permille": 100}, {"permille": 1000}]}


def a_split(*waiting_for: str, token: int = 7) -> dict[str, Any]:
    return {
        "token": token,
        "by": "",
        "shares": [
            {"colour": "blue", "permille": 900, "revisions": [1], "replicas": 3},
            {"colour": "green", "permille": 100, "revisions": [2], "replicas": 1},
        ],
        "routers": [{"node_name": "h9", "is_down": True}],
        "waiting_for": list(waiting_for),
    }


def an_arm(revision: int, failed: int, of: int) -> dict[str, Any]:
    latency = {"value_ms": 12.3, "low_ms": 11.0, "high_ms": 14.0}
    rate = {"count": failed, "total": of, "value": failed / of, "low": 0.001, "high": 0.034}
    return {
        "revision": revision,
        "requests": of,
        "failures": rate,
        "lost": 1,
        "p50": latency,
        "p95": None,
    }


BEHAVIOUR = {
    "old": an_arm(1, 2, 1000),
    "new": an_arm(2, 9, 450),
    "difference": 0.018,
    "difference_low": 0.007,
    "difference_high": 0.036,
}


def a_change(**more: Any) -> dict[str, Any]:
    return {
        "service_id": "shop.web",
        "revision": 1,
        "version": 9,
        "rollout_id": "ro_1",
        "done": "shop.web goes back to revision 1",
        "next": "follow it: tower rollout status shop.web --wait",
        **more,
    }


def one_after_the_other(*rollouts: dict[str, Any]) -> Callable[[Request], Answer]:
    left = iter(rollouts)
    return lambda _: Answer(body=next(left))


# ---- in words


@pytest.mark.usefixtures("api")
def test_everything_about_a_canary_is_told() -> None:
    rollout = a_rollout(
        stage={**a_stage(), "hold_until_ms": 60_000},
        split=a_split("h2"),
        behaviour=BEHAVIOUR,
        verdict="no worse so far",
        replicas=[
            {"ordinal": 0, "phase": "done"},
            {"ordinal": 1, "phase": "starting", "node_name": "h3", "attempts": 2, "reason": "no such image"},
        ],
    )
    assert details_of(rollout) == [
        "steps     5% > [10%] > 100%",
        "held      at least until 1970-01-01 00:01:00",
        "blue      ##################..    90%  revision 1, 3 ready",
        "green     ##..................    10%  revision 2, 1 ready",
        "routers   not yet in force on h2",
        "routers   unknown on h9, which is down",
        "replica   1 on h3 is starting, attempt 2: no such image",
        "old       revision 1: 2 of 1000 requests failed, 0.20% (0.10% to 3.40%), lost 1,"
        " p50 12 ms (11 to 14)",
        "new       revision 2: 9 of 450 requests failed, 2.00% (0.10% to 3.40%), lost 1,"
        " p50 12 ms (11 to 14)",
        "compared  the new one fails +1.80% more (+0.70% to +3.60%)",
        "verdict   no worse so far",
    ]


@pytest.mark.usefixtures("api")
def test_who_has_to_do_something_is_told_what() -> None:
    stage = {**a_stage(), "name": "approve", "deadline_ms": 90_000}
    waiting = a_rollout(can=["approve", "pause", "promote", "abort"], stage=stage)
    assert "tower rollout approve shop.web" in details_of(waiting)[-2]
    assert "given up at 1970-01-01 00:01:30" in details_of(waiting)[-1]
    asked = a_rollout(steering={"steer": "pause", "by": "bob"})
    assert line_of(asked).endswith("(bob asked to pause)")
    ahead = a_rollout(can=["approve", "pause"], stage={**a_stage(), "name": "monitor_canary"})
    assert details_of(ahead)[-1].endswith("rollout approve shop.web lets it go on when its time is over")


@pytest.mark.usefixtures("api")
def test_how_a_rollout_stands_by_limits_on_metrics_is_told() -> None:
    text = "memory_bytes of replica 0 of the new revision 200 MiB (max 512 MiB for 1 min)"
    assert f"limit     {text}" in details_of(a_rollout(limits=[{"text": text}]))


@pytest.mark.parametrize(("share", "full"), [(-1, 0), (0, 0), (0.024, 0), (0.5, 10), (1, 20), (7, 20)])
def test_a_bar_is_as_long_as_its_share(share: float, full: int) -> None:
    assert bar_of(share) == "#" * full + "." * (20 - full)


# ---- following


def test_a_pipe_gets_a_line_for_each_news_and_the_end_decides(api: StubApi, tower: Tower) -> None:
    api.answers["GET /rollouts/shop.web"] = Answer(body=a_rollout())
    reason = "the new revision fails 4 times as often"
    api.answers["GET /rollouts/ro_1"] = one_after_the_other(
        a_rollout(verdict="9 of 450 failed"),
        a_rollout(progress="step 3", verdict="9 of 450 failed"),
        a_rollout("rolling-back", progress="back", verdict="9 of 450 failed"),
        a_rollout("rolled-back", progress="back on revision 1", verdict="9 of 450 failed", reason=reason),
    )
    status, _, err = tower("rollout", "status", "shop.web", "--wait")
    assert status == 1
    assert err.splitlines() == [
        "shop.web: running: canary step 2 of 3, 10 %: watched",
        "  9 of 450 failed",
        "shop.web: running: step 3",
        "shop.web: rolling-back: back",
        "shop.web: rolled-back: back on revision 1",
        f"  {reason}",
    ]


def test_a_terminal_gets_a_picture_in_place(
    api: StubApi, tower: Tower, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    moving = a_rollout(stage=a_stage(), split=a_split("h2"), reason="\x1b]0;evil\x07")
    api.answers["GET /rollouts/shop.web"] = Answer(body=moving)
    api.answers["GET /rollouts/ro_1"] = Answer(body=a_rollout("succeeded", progress="on revision 2"))
    assert main(("rollout", "status", "shop.web", "--wait")) == 0
    drawn = terminal.getvalue()
    assert "5% > [10%] > 100%" in drawn
    assert "not yet in force on h2" in drawn
    assert "on revision 2" in drawn
    assert "\x1b]0;" not in drawn


def test_several_rollouts_are_followed_at_once(api: StubApi, tower: Tower, tmp_path: Path) -> None:
    file = tmp_path / "compose.yaml"
    file.write_text("name: shop\nservices: {}\n")
    services = [
        {"service_id": f"shop.{name}", "revision": 2, "changed": True, "rollout_id": f"ro_{name}"}
        for name in ("api", "web")
    ]
    api.answers["POST /deployments"] = Answer(202, {"services": services})
    api.answers["GET /rollouts/ro_api"] = one_after_the_other(
        a_rollout(id="ro_api"), a_rollout("succeeded", id="ro_api", progress="done")
    )
    api.answers["GET /rollouts/ro_web"] = one_after_the_other(
        a_rollout(id="ro_web"), a_rollout("failed", id="ro_web", progress="no")
    )
    status, out, err = tower("deploy", str(file), "--strategy", "canary", "--skip-analysis", "--wait")
    assert status == 1
    assert "shop.web: failed: no" in err
    assert "nothing to do" not in out
    body = api.requests[0].body
    assert (body["strategy"], body["skip_analysis"]) == ("canary", True)


def test_a_rollout_that_had_not_begun_is_waited_for(
    api: StubApi, tower: Tower, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agent.cli.deploy._POLL_INTERVAL_S", 0)
    file = tmp_path / "compose.yaml"
    file.write_text("name: shop\nservices: {}\n")
    service = {"service_id": "shop.web", "revision": 2, "changed": True, "rollout_id": None}
    api.answers["POST /deployments"] = Answer(202, {"services": [service]})
    api.answers["GET /services/shop.web"] = one_after_the_other(
        {"stable_revision": 1, "rollout": {"id": "ro_0", "to_revision": 1}},
        {"stable_revision": 1, "rollout": {"id": "ro_1", "to_revision": 2}},
    )
    api.answers["GET /rollouts/ro_1"] = Answer(body=a_rollout("succeeded"))
    assert tower("deploy", str(file))[0] == 0
    # One that will never begin is not taken for done.
    monkeypatch.setattr("agent.cli.deploy._BEGIN_S_MAX", -1.0)
    api.answers["GET /services/shop.web"] = Answer(body={"stable_revision": 1, "rollout": None})
    status, _, err = tower("deploy", str(file))
    assert (status, "no leader has begun its rollout" in err) == (3, True)
    # More replicas of what runs are no rollout.
    api.answers["GET /services/shop.web"] = Answer(body={"stable_revision": 2, "rollout": None})
    assert tower("deploy", str(file))[0] == 0


def test_a_dry_run_says_field_by_field_what_would_change(api: StubApi, tower: Tower, tmp_path: Path) -> None:
    file = tmp_path / "compose.yaml"
    file.write_text("name: shop\nservices: {}\n")
    changes = [
        {"field": "image", "before": "shop:1", "after": "shop:2", "effect": "recreate"},
        {"field": "replicas", "before": "2", "after": "3", "effect": "in-place"},
    ]
    service = {
        "service_id": "shop.web",
        "revision": 2,
        "changed": True,
        "strategy": "canary",
        "changes": changes,
    }
    api.answers["POST /deployments"] = Answer(body={"services": [service]})
    _, out, _ = tower("deploy", str(file), "--dry-run")
    assert [line.split() for line in out.splitlines()] == [
        ["shop.web:", "revision", "2,", "canary"],
        ["FIELD", "BEFORE", "AFTER", "EFFECT"],
        ["image", "shop:1", "shop:2", "recreate"],
        ["replicas", "2", "3", "in-place"],
    ]


# ---- steering


@pytest.mark.parametrize("action", ["approve", "pause", "resume", "promote", "abort"])
def test_something_is_asked_of_a_rollout_by_its_service(api: StubApi, tower: Tower, action: str) -> None:
    api.answers[f"POST /rollouts/shop.web/{action}"] = Answer(202, a_rollout("paused"))
    status, out, _ = tower("rollout", action, "shop.web", "--reason", "the queue grows")
    assert (status, out) == (0, "shop.web: paused: canary step 2 of 3, 10 %: watched\n")
    assert api.requests[0].body == {"reason": "the queue grows"}


@pytest.mark.parametrize(
    ("action", "ending", "status"),
    [
        ("abort", "rolled-back", 0),
        ("abort", "succeeded", 1),
        ("promote", "rolled-back", 1),
        ("promote", "succeeded", 0),
    ],
)
def test_what_was_asked_for_decides_whether_an_end_is_good(
    api: StubApi, tower: Tower, action: str, ending: str, status: int
) -> None:
    api.answers[f"POST /rollouts/ro_1/{action}"] = Answer(202, a_rollout("rolling-back"))
    api.answers["GET /rollouts/ro_1"] = Answer(body=a_rollout(ending))
    assert tower("rollout", action, "ro_1", "--wait")[0] == status


def test_a_refusal_says_what_can_be_asked(api: StubApi, tower: Tower) -> None:
    problem = {
        "title": "Not possible as things are",
        "detail": "rollout ro_1 of shop.web: no approval is waited for",
        "hint": "what can be asked of it now: pause, promote, abort",
    }
    api.answers["POST /rollouts/shop.web/approve"] = Answer(409, problem)
    status, _, err = tower("rollout", "approve", "shop.web")
    assert status == 1
    assert "no approval is waited for" in err
    assert "pause, promote, abort" in err


def test_a_failed_revision_is_tried_again(api: StubApi, tower: Tower) -> None:
    api.answers["POST /rollouts/shop.web/retry"] = Answer(202, a_change(done="revision 2 is tried again"))
    api.answers["GET /rollouts/ro_1"] = Answer(body=a_rollout("succeeded"))
    status, out, _ = tower("rollout", "retry", "shop.web", "--wait")
    assert (status, out) == (0, "revision 2 is tried again\n")


# ---- going back


@pytest.mark.parametrize(
    ("aim", "ending", "status"),
    [
        ("rollback", "succeeded", 0),
        ("rollback", "rolled-back", 1),
        ("deploy", "rolled-back", 0),
        ("deploy", "failed", 1),
    ],
)
def test_going_back_ends_well_when_the_earlier_revision_runs(
    api: StubApi, tower: Tower, aim: str, ending: str, status: int
) -> None:
    api.answers["POST /services/shop.web/rollback"] = Answer(202, a_change())
    api.answers["GET /rollouts/ro_1"] = Answer(body=a_rollout(ending, aim=aim))
    found, out, _ = tower("rollback", "shop.web", "--to", "1", "--reason", "it leaks")
    assert (found, out) == (status, "shop.web goes back to revision 1\n")
    assert api.requests[0].body == {"to": 1, "reason": "it leaks"}


def test_who_does_not_wait_is_told_how_to_look_later(api: StubApi, tower: Tower) -> None:
    api.answers["POST /services/web/rollback"] = Answer(202, a_change())
    status, out, _ = tower("rollback", "web", "--no-wait")
    assert status == 0
    assert out.splitlines()[1] == "  follow it: tower rollout status shop.web --wait"
    assert api.asked() == ["POST /services/web/rollback"]
    assert json.loads(tower("rollback", "web", "--no-wait", "--json")[1])["rollout_id"] == "ro_1"


def test_replicas_are_replaced_by_new_ones(api: StubApi, tower: Tower) -> None:
    api.answers["POST /services/web/restart"] = Answer(202, a_change(done="the replicas are replaced"))
    api.answers["GET /rollouts/ro_1"] = Answer(body=a_rollout("succeeded"))
    assert tower("restart", "web")[0] == 0


def test_a_service_is_taken_down_only_when_that_is_confirmed(api: StubApi, tower: Tower) -> None:
    api.answers["DELETE /services/web"] = Answer(202, {"id": "shop.web"})
    status, _, err = tower("remove", "web")
    assert (status, "confirm with --yes" in err, api.requests) == (2, True, [])
    assert tower("remove", "web", "--yes")[1] == "shop.web is being taken down\n"


# ---- scaling


def test_several_services_are_scaled_in_one_command(api: StubApi, tower: Tower) -> None:
    for service in ("web", "api"):
        api.answers[f"POST /services/{service}/scale"] = Answer(202, a_change(done=service, next="see"))
    status, out, _ = tower("scale", "web=5", "api=0")
    assert (status, out) == (0, "web\napi\n  see\n")
    assert [request.body for request in api.requests] == [{"replicas": 5}, {"replicas": 0}]


def test_a_service_that_is_scaled_by_itself_is_only_scaled_when_that_is_asked_for(
    api: StubApi, tower: Tower
) -> None:
    api.answers["POST /services/web/scale"] = Answer(202, a_change(done="web"))
    assert tower("scale", "web=5", "--override")[0] == 0
    assert [request.body for request in api.requests] == [{"replicas": 5, "override": True}]


def test_how_a_service_is_scaled_by_itself_is_told_in_lines() -> None:
    scaling: dict[str, Any] = {
        "min": 2,
        "max": 8,
        "metrics": [
            {"metric": "cpu", "target": 70, "observed": 91.0, "wanted": 4},
            {"metric": "latency_p95", "target": 250, "observed": None, "wanted": None},
        ],
        "reason": "cpu 91 of 70 %",
        "held_by": "",
    }
    change = {
        "at_ms": 0,
        "replicas_before": 2,
        "replicas": 4,
        "by": "autoscaling",
        "reason": "cpu 133 of 70 %",
    }
    lines = scaling_lines({"scaling": scaling, "scalings": [change] * 5})
    assert lines[:3] == [
        "scaling   between 2 and 8; cpu 91 of 70 %",
        "target    cpu 91 of 70 %, asks for 4 replicas",
        "target    latency_p95 250 ms, no numbers now",
    ]
    assert len(lines) == 6
    assert lines[3].endswith("from 2 to 4 by autoscaling: cpu 133 of 70 %")
    held = scaling_lines({"scaling": {**scaling, "held_by": "ann"}})
    assert held[0] == "scaling   between 2 and 8, but ann holds the number until the next deployment"
    assert scaling_lines({"scaling": None, "scalings": []}) == []


@pytest.mark.parametrize("wrong", ["web", "web=", "=3", "web=-1", "web=many", "web=1.5"])
def test_a_wrong_number_of_replicas_is_not_sent(api: StubApi, tower: Tower, wrong: str) -> None:
    status, _, err = tower("scale", "api=2", wrong)
    assert (status, "SERVICE=REPLICAS" in err, api.requests) == (2, True, [])


# ---- sharing requests


@pytest.mark.parametrize(
    ("words", "body"),
    [
        (["--green", "20%"], {"colour": "green", "permille": 200, "force": False}),
        (["--blue", "2.5"], {"colour": "blue", "permille": 25, "force": False}),
        (["--new", "100%", "--force"], {"colour": None, "permille": 1000, "force": True}),
        (["--to", "green"], {"colour": "green", "force": False}),
    ],
)
def test_requests_are_shared_by_hand(
    api: StubApi, tower: Tower, words: list[str], body: dict[str, Any]
) -> None:
    api.answers["POST /services/web/traffic"] = Answer(202, a_split())
    status, out, _ = tower("traffic", "web", *words)
    assert status == 0
    assert "green     ##..................    10%  revision 2, 1 ready" in out
    assert api.requests[0].body == body


def test_a_share_is_waited_for_until_every_router_has_it(api: StubApi, tower: Tower) -> None:
    api.answers["POST /services/web/traffic"] = Answer(202, a_split("h2", "h3"))
    api.answers["GET /services/web/traffic"] = one_after_the_other(a_split("h2"), a_split())
    assert tower("traffic", "web", "--new", "10%")[0] == 0
    assert len(api.requests) == 3


def test_a_router_that_does_not_come_back_is_named_and_the_command_fails(
    api: StubApi, tower: Tower, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agent.cli.traffic.WAIT_S_MAX", 0.0)
    api.answers["POST /services/web/traffic"] = Answer(202, a_split("h2"))
    status, _, err = tower("traffic", "web", "--to", "green")
    assert (status, "not in force on h2" in err) == (1, True)
    assert tower("traffic", "web", "--to", "green", "--no-wait")[0] == 0


def test_shares_that_somebody_else_changed_meanwhile_are_not_waited_for(api: StubApi, tower: Tower) -> None:
    api.answers["POST /services/web/traffic"] = Answer(202, a_split("h2"))
    api.answers["GET /services/web/traffic"] = Answer(body=a_split("h2", token=8))
    status, _, err = tower("traffic", "web", "--new", "10%")
    assert (status, "shared anew meanwhile" in err) == (0, True)


@pytest.mark.parametrize(
    "words", [["--green", "120%"], ["--new", "some"], ["--new", "1%", "--to", "blue"], ["--force"]]
)
def test_a_share_that_is_none_is_not_sent(api: StubApi, words: list[str]) -> None:
    try:
        status = main(["traffic", "web", *words])
    except SystemExit as ended:
        status = int(str(ended.code))
    assert (status, api.requests) == (2, [])


# ---- looking back


def test_the_history_says_what_each_revision_was_and_became(api: StubApi, tower: Tower) -> None:
    attempt = {
        "rollout_id": "ro_1",
        "aim": "deploy",
        "strategy": "canary",
        "from_revision": 1,
        "phase": "rolled-back",
        "asked_by": "ann",
        "is_unjudged": False,
        "reason": "",
        "verdict": "4 times as many failures",
        "started_at_ms": 0,
        "ended_at_ms": 90_000,
        "requests": 450,
        "failures": 9,
        "lost": 1,
    }
    fields = ("image", "digest", "environment.A", "route.port")
    entry = {
        "revision": 2,
        "state": "failed",
        "image": "shop:2",
        "digest": "sha256:" + "ab" * 32,
        "created_at_ms": 0,
        "created_by": "ann",
        "changes": [{"field": field} for field in fields],
        "attempts": [attempt],
    }
    api.answers["GET /services/web/history"] = Answer(body={"service_id": "shop.web", "revisions": [entry]})
    _, out, _ = tower("history", "web", "--attempts")
    _, row, told = out.splitlines()
    assert "abababababab" in row
    assert "image, digest, environment.A and 1 more" in row
    assert "rolled-back: 4 times as many failures" in row
    assert told == (
        "ro_1: 1970-01-01 00:00:00 deploy to revision 2 from 1, canary, by ann: rolled-back: 4 times as many"
        " failures (took 1m); 9 of 450 requests failed, 1 lost"
    )


def test_two_revisions_are_compared_in_make_and_in_manners(api: StubApi, tower: Tower) -> None:
    comparison = {
        "service_id": "shop.web",
        "before": 1,
        "after": 2,
        "changes": [{"field": "image", "before": None, "after": "", "effect": "recreate"}],
        "behaviour": BEHAVIOUR,
        "note": "",
    }
    api.answers["GET /services/web/comparison"] = Answer(body=comparison)
    _, out, _ = tower("compare", "web", "1", "2")
    assert out.splitlines()[0] == "shop.web: revision 1 to 2"
    assert "not set" in out
    assert "+1.80% more (+0.70% to +3.60%)" in out
    assert api.requests[0].query == {"before": "1", "after": "2"}
    never = {**comparison, "changes": [], "behaviour": None, "note": "never side by side"}
    api.answers["GET /services/web/comparison"] = Answer(body=never)
    assert tower("compare", "web")[1].splitlines() == [
        "shop.web: revision 1 to 2",
        "they are made from the same specification",
        "note: never side by side",
    ]
    assert api.requests[-1].query == {}


def test_one_service_is_shown_by_what_runs_of_it(api: StubApi, tower: Tower) -> None:
    detail = {
        "id": "shop.web",
        "status": "degraded",
        "replicas_ready": 1,
        "replicas_wanted": 2,
        "serving": [
            {"revision": 2, "image": "shop:2", "digest": "", "replicas": 1, "nodes": ["h1"], "permille": 1000}
        ],
        "kept": {"revision": 1, "colour": "blue", "until_ms": 0},
        "split": a_split(),
        "rollout": a_rollout("succeeded", progress="every replica is on revision 2"),
        "troubles": [{"ordinal": 1, "node_name": "h2", "phase": "exited", "reason": "status 137"}],
        "drift": [{"words": "tower-shop.web-2-0 is not on h1 any more: was it removed by hand?"}],
        "unseen": ["h3"],
        "running": [
            {
                "node_name": "h1",
                "container_name": "tower-shop.web-2-0",
                "revision": 2,
                "image": "shop",
                "digest": "sha256:" + "cd" * 32,
                "state": "running",
                "health": "healthy",
            }
        ],
    }
    api.answers["GET /services/web"] = Answer(body=detail)
    _, out, _ = tower("services", "web")
    assert out.splitlines()[:11] == [
        "service   shop.web",
        "status    degraded: 1 of 2 ready",
        "serving   revision 2 of shop:2 on h1, 100% of the requests",
        "kept      revision 1 without requests until 1970-01-01 00:00:00: tower rollback shop.web",
        "blue      ##################..    90%  revision 1, 3 ready",
        "green     ##..................    10%  revision 2, 1 ready",
        "routers   unknown on h9, which is down",
        "rollout   shop.web: succeeded: every replica is on revision 2",
        "replica   1 on h2 is exited: status 137",
        "drift     tower-shop.web-2-0 is not on h1 any more: was it removed by hand?",
        "unknown   what runs on h3 cannot be asked now",
    ]
    assert out.splitlines()[-1].split() == ["h1", "tower-shop.web-2-0", "2", "cdcdcdcdcdcd", "healthy"]


def test_services_are_listed_with_the_revisions_that_serve_and_not_with_what_failed(
    api: StubApi, tower: Tower
) -> None:
    listed = {
        "id": "shop.web",
        "status": "running",
        "replicas_ready": 3,
        "replicas_wanted": 3,
        "revision": 9,
        "image": "shop:9",
        "nodes": ["h1"],
        "routes": [],
        "serving": [{"revision": 7, "image": "shop:7"}, {"revision": 8, "image": "shop:7"}],
    }
    dark = {**listed, "id": "shop.db", "status": "failed", "serving": []}
    api.answers["GET /services"] = Answer(body={"items": [listed, dark]})
    _, out, _ = tower("services")
    rows = [line.split("  ") for line in out.splitlines()]
    assert [[cell.strip() for cell in row if cell.strip()][3:5] for row in rows[1:]] == [
        ["7, 8", "shop:7"],
        ["9", "shop:9"],
    ]


def test_a_service_whose_rollout_failed_says_why() -> None:
    failed = a_rollout("failed", progress="did not reach revision 1", reason="h1 has no room")
    assert rollout_lines(failed) == [
        "rollout   shop.web: failed: did not reach revision 1",
        "reason    h1 has no room",
    ]
    assert len(rollout_lines(a_rollout("succeeded", reason="3 of 3 replicas run revision 1"))) == 1


def test_hooks_are_shown_with_host_exit_code_and_what_the_failed_one_printed() -> None:
    good = {"kind": "pre", "number": 1, "command": ["/app/migrate"], "phase": "succeeded", "exit_code": 0}
    bad = {
        **good,
        "number": 2,
        "phase": "failed",
        "node_name": "h2",
        "exit_code": 3,
        "reason": "ended with exit code 3",
        "tail": "no such\ntable",
    }
    assert details_of(a_rollout(hooks=[good, bad], stage=None, split=None, behaviour=None))[:4] == [
        "hook      pre_deploy 1 `/app/migrate`: succeeded, exit code 0",
        "hook      pre_deploy 2 `/app/migrate`: failed on h2, exit code 3: ended with exit code 3",
        "          no such",
        "          table",
    ]
