"""Alerts, rules and silences over the interface, as tools, and as they are told live."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import numpy as np

from cluster.commands.alerts import AlertChange, CommitAlerts
from cluster.metrics.query import RangeAnswer, RangeQuery, Resolution, ResultSeries, Selector
from cluster.model.access import Role
from cluster.model.alerts import Alert, AlertPhase, AlertSubject, RuleKind, Told
from cluster.model.events import Severity
from cluster.model.ids import NodeId, PrincipalId
from cluster.model.metrics import Subject, SubjectDefinition, SubjectKind
from cluster.store.records import ALERT_RULES, ALERTS, SILENCES
from tests.support.api_caller import WorldCaller
from tests.support.deployments import lead
from tests.support.web_fakes import ORIGIN, WebWorld, a_web_world, log_in, serving
from web.auth.call import Call, Credential, Identity
from web.tools.catalog import REGISTRY
from web.tools.context import CONTEXT
from web.tools.pace import Pace

QUICK = Pace(coalesce_s=0.01, pulse_s=0.05)
MINUTE_MS = 60_000
HOUR_MS = 3_600_000


class Api(WorldCaller):
    """Somebody who is logged in."""

    def fire(self, name: str = "h2", *, rule: str = "host-down", **fields: Any) -> int:
        """Have the leader commit an alert that is told; returns its number."""
        now_ms = self.world.clock.now_ms()
        base: dict[str, Any] = {
            "rule_id": rule,
            "kind": RuleKind.HOST_DOWN,
            "subject": AlertSubject(
                kind="host", key=f"host:{name}", name=name, node_id="nd_2", node_name=name
            ),
            "severity": Severity.CRITICAL,
            "phase": AlertPhase.FIRING,
            "since_ms": now_ms - MINUTE_MS,
            "judged_ms": now_ms,
            "fired_at_ms": now_ms,
            "text": f"Host {name} is down.",
            "hint": "See whether it has power.",
        }
        change = AlertChange(alert=Alert(**{**base, **fields}), expected_version=0, told=Told.FIRING)
        (number,) = self.world.state.must(CommitAlerts(changes=(change,)))
        assert isinstance(number, int)
        return number


@asynccontextmanager
async def api(role: Role = Role.ADMIN) -> AsyncIterator[Api]:
    world = a_web_world()
    world.add_user("ann", role)
    lead(world)
    async with serving(world, pace=QUICK) as client:
        yield Api(client, await log_in(client, "ann"), world)


async def test_what_is_wrong_is_listed_newest_first_with_what_to_do() -> None:
    async with api(Role.VIEWER) as ann:
        ann.fire("h2")
        ann.fire("h3")
        found = await ann.must("GET", "/alerts")
        assert [item["number"] for item in found["items"]] == [2, 1]
        assert (
            found["items"][0] | {"text": "Host h3 is down.", "next_step": "See whether it has power."}
            == (found["items"][0])
        )
        assert found["items"][0]["state"] == "firing"
        assert (await ann.must("GET", "/alerts?node=h3"))["items"][0]["subject"]["node_name"] == "h3"
        assert (await ann.must("GET", "/alerts?severity=critical&rule=quorum-risk"))["items"] == []
        assert (await ann.must("GET", "/alerts/1"))["subject"]["name"] == "h2"


async def test_what_is_wrong_is_said_in_italian_to_who_asks_for_it() -> None:
    async with api(Role.VIEWER) as ann:
        number = ann.fire(translations=(("it.text", "L'host h2 non risponde."),))
        (item,) = (await ann.must("GET", "/alerts?language=it"))["items"]
        assert item["text"] == "L'host h2 non risponde."
        ann.headers["Accept-Language"] = "it-IT,it;q=0.9,en;q=0.8"
        view = await ann.must("GET", f"/alerts/{number}")
        assert (view["text"], view["next_step"]) == ("L'host h2 non risponde.", "See whether it has power.")


async def test_a_state_there_is_none_of_is_refused_naming_those_there_are() -> None:
    async with api() as ann:
        problem = await ann.refused(422, "GET", "/alerts?state=burning")
        assert "firing, acknowledged, silenced, resolved" in problem["detail"]
        assert (await ann.refused(404, "GET", "/alerts/99"))["detail"] == "there is no alert 99"
        assert (await ann.refused(422, "GET", "/alerts/first"))["errors"][0]["field"] == "alert"


async def test_who_acknowledges_an_alert_is_told_with_it_and_audited() -> None:
    async with api(Role.OPERATOR) as ann:
        number = ann.fire()
        view = await ann.must("POST", f"/alerts/{number}/acknowledge", comment="on my way")
        assert (view["state"], view["acknowledged_by"], view["comment"]) == (
            "acknowledged",
            "ann",
            "on my way",
        )
        assert [entry.stamp.action for entry in ann.world.state.audit()][-1] == "alert.acknowledge"
        view = await ann.must("POST", f"/alerts/{number}/acknowledge", withdrawn=True)
        assert view["state"] == "firing"


async def test_a_viewer_acknowledges_and_silences_nothing() -> None:
    async with api(Role.VIEWER) as ann:
        number = ann.fire()
        await ann.refused(403, "POST", f"/alerts/{number}/acknowledge")
        until_ms = ann.world.clock.now_ms() + HOUR_MS
        await ann.refused(403, "POST", "/silences", comment="x", until_ms=until_ms, hosts=["h2"])
        await ann.refused(403, "PUT", "/alert-rules/mine", kind="host-down")


async def test_the_rules_there_are_without_being_made_are_few_and_can_be_changed_and_had_back() -> None:
    async with api() as ann:
        rules = {item["id"]: item for item in (await ann.must("GET", "/alert-rules"))["items"]}
        assert {"host-down", "container-down", "crash-loop", "out-of-memory", "disk-full-soon"} <= set(rules)
        assert all(rule["is_built_in"] for rule in rules.values())
        assert not any(rule["settings"]["metric"] == "cpu_percent" for rule in rules.values())
        settings = {**rules["host-down"]["settings"], "for_s": 600, "remind_s": 3600}
        changed = await ann.must("PUT", "/alert-rules/host-down", **settings)
        assert (changed["is_changed"], changed["settings"]["for_s"], changed["changed_by"]) == (
            True,
            600,
            "ann",
        )
        await ann.must("DELETE", "/alert-rules/host-down")
        assert (await ann.must("GET", "/alert-rules/host-down"))["settings"]["for_s"] == 30
        problem = await ann.refused(409, "DELETE", "/alert-rules/host-down")
        assert "--disable" in problem["hint"]


async def test_every_rule_comes_back_as_it_was_written() -> None:
    async with api() as ann:
        for rule in (await ann.must("GET", "/alert-rules"))["items"]:
            await ann.must("PUT", "/alert-rules/copy", **rule["settings"])
            assert (await ann.must("GET", "/alert-rules/copy"))["settings"] == rule["settings"]


REFUSED: tuple[tuple[dict[str, Any], str, str], ...] = (
    ({"kind": "threshold", "metric": "memory_bytes"}, "above", "needs above or below"),
    ({"kind": "threshold", "metric": "memory_bytes", "above": 1, "below": 2}, "below", "not both"),
    ({"kind": "threshold", "metric": "memory", "above": 1}, "metric", "use one of"),
    ({"kind": "threshold", "above": 1}, "metric", "one is needed"),
    ({"kind": "host-down", "above": 1}, "above", "has no bound"),
    ({"kind": "host-down", "for_s": 10**9}, "for_s", "0 to 2592000 seconds"),
    (
        {"kind": "threshold", "metric": "memory_bytes", "above": 1, "resolve": 2},
        "resolve",
        "is above value",
    ),
    (
        {"kind": "threshold", "metric": "cpu_percent", "above": 1, "percent_of_limit": True},
        "metric",
        "no limit",
    ),
    (
        {"kind": "threshold", "metric": "memory_bytes", "above": 1, "statistic": "sum"},
        "statistic",
        "counted are",
    ),
    ({"kind": "forecast", "metric": "disk_used_bytes"}, "within_s", "how far ahead"),
    ({"kind": "crash-loop"}, "count", "so many restarts"),
    ({"kind": "anomaly", "count": 1}, "count", "one metric alone"),
    ({"kind": "host-down", "looks": 5}, "looks_min", "give both"),
    ({"kind": "host-down", "hosts": ["h9"]}, "hosts", "a host of the cluster"),
    ({"kind": "host-down", "environments": ["nowhere"]}, "environments", "that is there"),
    ({"kind": "host-down", "kinds": ["toaster"]}, "kinds", "use some of"),
    ({"kind": "backup-overdue"}, "kind", "no backups"),
)


async def test_a_rule_that_cannot_be_is_refused_naming_field_and_rule() -> None:
    async with api() as ann:
        for settings, field, words in REFUSED:
            problem = await ann.refused(422, "PUT", "/alert-rules/mine", **settings)
            (error,) = problem["errors"]
            assert error["field"] == field, settings
            assert words in error["rule"] + error["hint"], settings
        with ann.world.state.read() as txn:
            assert ALERT_RULES.get(txn, "mine") is None


async def test_a_name_that_cannot_be_is_refused() -> None:
    async with api() as ann:
        problem = await ann.refused(422, "PUT", "/alert-rules/My%20Rule", kind="host-down")
        assert problem["errors"][0]["field"] == "name"


async def test_a_silence_says_which_alerts_it_keeps_quiet_and_who_wanted_it() -> None:
    async with api(Role.OPERATOR) as ann:
        number = ann.fire()
        until_ms = ann.world.clock.now_ms() + HOUR_MS
        view = await ann.must("POST", "/silences", comment="moving racks", until_ms=until_ms, hosts=["h2"])
        assert (view["alerts"], view["is_in_force"], view["by"]) == ([number], True, "ann")
        (listed,) = (await ann.must("GET", "/silences"))["items"]
        assert listed == view
        await ann.must("DELETE", f"/silences/{view['id']}")
        assert (await ann.must("GET", "/silences"))["items"] == []
        assert "silence.end" in [entry.stamp.action for entry in ann.world.state.audit()]


async def test_hours_of_maintenance_are_in_force_only_while_they_last() -> None:
    async with api() as ann:
        view = await ann.must(
            "POST",
            "/silences",
            comment="patching",
            until_ms=ann.world.clock.now_ms() + 30 * 24 * HOUR_MS,
            environments=["staging"],
            cron="0 3 * * SUN",
            duration_s=7200,
        )
        with ann.world.state.read() as txn:
            silence = SILENCES.get(txn, view["id"])
        assert silence is not None
        assert silence.span is not None
        assert (silence.span.cron, silence.span.duration_ms) == ("0 3 * * SUN", 2 * HOUR_MS)


async def test_a_silence_that_would_silence_everything_nothing_or_the_past_is_refused() -> None:
    async with api() as ann:
        now_ms = ann.world.clock.now_ms()
        problem = await ann.refused(422, "POST", "/silences", comment="x", until_ms=now_ms + HOUR_MS)
        assert "silence everything" in problem["detail"]
        problem = await ann.refused(422, "POST", "/silences", comment="x", until_ms=now_ms, hosts=["h2"])
        assert problem["errors"][0]["field"] == "until"
        body = {"comment": "x", "until_ms": now_ms + HOUR_MS, "rules": ["nothing"]}
        assert "no alert rule" in (await ann.refused(404, "POST", "/silences", **body))["detail"]


class Recorded:
    """A history with one container's memory, high for some minutes."""

    def __init__(self, world: WebWorld, high: range) -> None:
        self._high = [world.clock.now_ms() - minute * MINUTE_MS for minute in high]
        self._now_ms = world.clock.now_ms()

    async def subjects(self, selector: Selector) -> Sequence[Subject]:
        definition = SubjectDefinition(
            kind=SubjectKind.CONTAINER, node_id=NodeId("nd_1"), key="c1", name="web-1"
        )
        return [Subject(number=7, definition=definition, created_ms=0, seen_ms=self._now_ms)]

    async def query(self, query: RangeQuery) -> RangeAnswer:
        assert query.step_ms is not None
        times = np.arange(query.start_ms, query.end_ms, query.step_ms)
        values = [
            200.0 if any(at <= each < at + query.step_ms for each in self._high) else 50.0 for at in times
        ]
        series = ResultSeries(
            metric=query.selector.metrics[0],
            unit="bytes",
            labels=(),
            values=np.array(values, dtype=np.float64),
            subject=7,
        )
        return RangeAnswer(times_ms=times, step_ms=query.step_ms, resolution=Resolution.RAW, series=(series,))


HUNGRY = {"kind": "threshold", "metric": "memory_bytes", "above": 100.0, "for_s": 300}


async def test_a_rule_can_be_tried_on_what_is_recorded_before_it_is_made() -> None:
    async with api(Role.VIEWER) as ann:
        ann.world.history = Recorded(ann.world, range(100, 120))  # type: ignore[assignment]  # it answers what is recorded
        async with serving(ann.world, pace=QUICK) as client:
            tried = Api(client, await log_in(client, "ann"), ann.world)
            view = await tried.must("POST", "/alert-rules/mine/test", rule=HUNGRY, days=5)
            assert (view["series"], view["times_fired"], view["came_to_nothing"]) == (1, 1, 0)
            (firing,) = view["firings"]
            assert (firing["subject"], firing["node_name"], firing["value"]) == ("web-1", "h1", 200.0)
            assert firing["resolved_ms"] - firing["fired_ms"] == 16 * MINUTE_MS
            view = await tried.must("POST", "/alert-rules/mine/test", rule={**HUNGRY, "for_s": 3600})
            assert (view["times_fired"], view["came_to_nothing"], view["waiting"]) == (0, 1, 0)


async def test_what_cannot_be_tried_says_so() -> None:
    async with api() as ann:
        problem = await ann.refused(422, "POST", "/alert-rules/host-down/test")
        assert "cannot be tried" in problem["detail"]
        assert (await ann.refused(404, "POST", "/alert-rules/none/test"))["status"] == 404
        view = await ann.must("POST", "/alert-rules/memory-limit/test")
        assert view["notes"][0] == "nothing of this kind is recorded for that time"


async def test_an_alert_that_is_told_is_new_to_those_who_watch_and_goes_when_it_is_over() -> None:
    async with api(Role.VIEWER) as ann:
        socket = await ann.client.ws_connect("/api/v1/live", headers={**ann.headers, "Origin": ORIGIN})
        await socket.send_json({"subscribe": ["alerts"]})

        async def told() -> dict[str, Any]:
            while True:
                message: dict[str, Any] = await socket.receive_json(timeout=5)
                if message.get("topic") == "alerts":
                    return message

        assert (await told())["data"] == {"items": []}
        number = ann.fire()
        message = await told()
        assert (message["event"], message["new"]) == ("alert:new", [number])
        assert message["changed"][0]["text"] == "Host h2 is down."
        with ann.world.state.read() as txn:
            alert = ALERTS.get(txn, number)
        assert alert is not None
        over = replace(alert, phase=AlertPhase.RESOLVED, resolved_at_ms=alert.judged_ms)
        ann.world.state.must(
            CommitAlerts(changes=(AlertChange(alert=over, expected_version=1, told=Told.RESOLVED),))
        )
        message = await told()
        assert (message["event"], message["removed"]) == ("alert:changed", [number])
        await socket.close()


async def test_who_wants_new_alerts_only_hears_of_no_change_of_them() -> None:
    async with api(Role.VIEWER) as ann:
        socket = await ann.client.ws_connect("/api/v1/live", headers={**ann.headers, "Origin": ORIGIN})
        await socket.send_json({"subscribe": [{"topic": "alert:new", "filter": {"severity": "warning"}}]})

        async def told() -> dict[str, Any]:
            while True:
                message: dict[str, Any] = await socket.receive_json(timeout=5)
                if message.get("topic") == "alert:new":
                    return message

        assert (await told())["data"] == {"items": []}
        first = ann.fire()
        assert (await told())["new"] == [first]
        with ann.world.state.read() as txn:
            alert = ALERTS.get(txn, first)
        assert alert is not None
        over = replace(alert, phase=AlertPhase.RESOLVED, resolved_at_ms=alert.judged_ms)
        ann.world.state.must(
            CommitAlerts(changes=(AlertChange(alert=over, expected_version=1, told=Told.RESOLVED),))
        )
        second = ann.fire("h3")
        message = await told()
        assert (message["new"], message["removed"]) == ([second], [])
        assert [view["number"] for view in message["changed"]] == [second]
        await socket.close()


async def test_the_tools_say_in_sentences_what_is_wrong_and_do_what_they_are_asked() -> None:
    async with api(Role.OPERATOR) as ann:
        number = ann.fire()
        listed = await _tool(ann, "list-alerts", rules=True)
        assert listed["alerts"][0].startswith(f"{number} critical firing, since ")
        assert any(line.startswith("host-down: ") for line in listed["rules"])
        assert (await _tool(ann, "get-cluster-status"))["alerts"] == ["Host h2 is down."]
        done = await _tool(ann, "acknowledge-alert", alert=number, comment="on it")
        assert "acknowledged by ann (on it)" in done["alert"]
        silenced = await _tool(ann, "silence-alerts", comment="later", node="h2", duration="2h")
        assert silenced["alerts"] == [number]


async def _tool(ann: Api, name: str, **arguments: Any) -> Any:
    app = ann.client.app
    assert app is not None
    identity = Identity(
        principal_id=PrincipalId("us_ann"),
        name="ann",
        role=Role.OPERATOR,
        credential=Credential.API_TOKEN,
        epoch=1,
    )
    call = Call(identity=identity, request_id="rq_1", ip="192.0.2.1", user_agent="test", started_s=0.0)
    return (await REGISTRY.call(app[CONTEXT], call, name, arguments)).structured
