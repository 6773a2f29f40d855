"""`x-tower` and `deploy`: what becomes of routes, strategies, hosts and judgement, and what is refused."""

from __future__ import annotations

import pytest

from cluster.model.hooks import Hook
from cluster.model.metric_limits import MetricLimit
from cluster.model.placing import Failover, PlacementRules, parse_attribute, parse_constraint
from cluster.model.service import FailureAction, Fencing, RolloutPolicy, Route, RouteTls, Sticky
from cluster.model.strategy import (
    Analysis,
    BlueGreen,
    Canary,
    InconclusiveAction,
    Shift,
    Strategy,
    TrafficStep,
)
from tests.support.compose_kit import a_file, accepted, refused, the_service

MINUTE_MS = 60_000
ROUTE = "route: {host: shop.example.com, port: 80}"


def policy(x_tower: str = "", deploy: str = "") -> RolloutPolicy:
    return the_service(a_file(f"deploy: {{{deploy}}}\nx-tower: {{{x_tower}}}")).policy


def shift(x_tower: str) -> Shift:
    return policy(f"{ROUTE}, {x_tower}").shift


def placement(x_tower: str = "", deploy: str = "") -> PlacementRules:
    return the_service(a_file(f"deploy: {{{deploy}}}\nx-tower: {{{x_tower}}}")).placement


def test_what_nothing_is_said_of_is_as_the_model_has_it() -> None:
    service = the_service(a_file(f"x-tower: {{{ROUTE}}}"))
    assert service.policy == RolloutPolicy()
    assert service.placement == PlacementRules()
    assert service.fencing is service.spec.fencing is Fencing.NONE
    assert service.spec.route == Route(host="shop.example.com", port=80)


# ---- routes ---------------------------------------------------------------------------------------


def test_a_route_has_all_its_parts() -> None:
    service = the_service(
        a_file(
            "x-tower: {route: {host: '*.Example.com', path: /app, port: 8080, health: /up, sticky: cookie,"
            " tls: redirect, slow_start: 30s}}"
        )
    )
    assert service.spec.route == Route(
        host="*.example.com",
        port=8080,
        health_path="/up",
        path="/app",
        sticky=Sticky.COOKIE,
        tls=RouteTls.REDIRECT,
        slow_start_ms=30_000,
    )


@pytest.mark.parametrize(
    ("tls", "meaning"),
    [("on", RouteTls.ON), ("true", RouteTls.ON), ("off", RouteTls.OFF), ("'on'", RouteTls.ON)],
)
def test_what_yaml_makes_of_on_and_off_means_the_same(tls: str, meaning: RouteTls) -> None:
    route = the_service(a_file(f"x-tower: {{route: {{host: a.example, port: 1, tls: {tls}}}}}")).spec.route
    assert route is not None
    assert route.tls is meaning


def test_a_route_may_be_probed_by_connecting_alone() -> None:
    route = the_service(a_file("x-tower: {route: {host: a.example, port: 1, health: tcp}}")).spec.route
    assert route is not None
    assert route.health_path == ""


def test_two_services_cannot_have_the_same_requests() -> None:
    text = a_file(f"x-tower: {{{ROUTE}}}") + f"  api:\n    image: api:1\n    x-tower: {{{ROUTE}}}\n"
    (finding,) = refused(text)
    assert "service api has requests for shop.example.com/ already" in finding.rule
    assert len(accepted(text.replace("80}", "80, path: /api}", 1)).services) == 2


# ---- strategies -----------------------------------------------------------------------------------


def test_the_old_order_of_compose_becomes_surge_or_unavailability() -> None:
    start = policy(deploy="update_config: {parallelism: 3}")
    stop = policy(deploy="update_config: {order: stop-first, parallelism: 2}")
    all_at_once = policy(deploy="update_config: {parallelism: 0}")
    assert (start.max_surge, start.max_unavailable) == (3, 0)
    assert (stop.max_surge, stop.max_unavailable) == (0, 2)
    assert (all_at_once.max_surge, all_at_once.max_unavailable) == (1000, 0)


def test_surge_and_unavailability_can_be_said_themselves() -> None:
    found = policy("rolling: {max_unavailable: 2}")
    assert (found.max_surge, found.max_unavailable) == (0, 2)
    (finding,) = refused(a_file("x-tower: {rolling: {max_surge: 0, max_unavailable: 0}}"))
    assert "no replica could ever be replaced" in finding.rule
    assert finding.path == "services.web.x-tower.rolling"


def test_every_deadline_and_number_of_a_rollout_arrives() -> None:
    found = policy(
        "start_deadline: 90s, pull_deadline: 5m, progress_deadline: 15m, retries: 0,"
        " drain: {timeout: 20s, websockets: 5m},"
        " hooks: {pre_deploy: [{command: /app/migrate --all, timeout: 10m}], post_deploy: [{command: [a]}]}",
        "update_config: {delay: 5s, monitor: 0s, failure_action: continue, max_failure_ratio: 0.25},"
        " rollback_config: {parallelism: 2}",
    )
    assert found == RolloutPolicy(
        start_deadline_ms=90_000,
        pull_deadline_ms=5 * MINUTE_MS,
        progress_deadline_ms=15 * MINUTE_MS,
        retries=0,
        drain_timeout_ms=20_000,
        tunnel_drain_ms=5 * MINUTE_MS,
        pre_deploy=(Hook(command=("/app/migrate", "--all"), timeout_ms=10 * MINUTE_MS),),
        post_deploy=(Hook(command=("a",)),),
        delay_ms=5_000,
        monitor_ms=0,
        failure_action=FailureAction.CONTINUE,
        failures_max_permille=250,
        rollback_surge=2,
    )


def test_blue_green_has_the_names_and_defaults_of_its_model() -> None:
    assert shift("strategy: blue-green") == Shift(strategy=Strategy.BLUE_GREEN)
    found = shift(
        "strategy: blue-green, blue_green: {switch_steps: [10, 100], preview_replicas: 2,"
        " auto_promote: false, approve_timeout: 1h, monitor: 4m, keep_blue: 9m}"
    )
    assert found.blue_green == BlueGreen(
        preview_replicas=2,
        is_promoted_by_itself=False,
        approval_ms=60 * MINUTE_MS,
        monitor_ms=4 * MINUTE_MS,
        keep_ms=9 * MINUTE_MS,
    )


def test_the_steps_of_a_canary_are_weights_or_say_more() -> None:
    found = shift(
        "strategy: canary, canary: {approve_timeout: 2h, keep: 3m, steps:"
        " [0.5, {weight: 5%, for: 4m, pause: approve}, 25, {weight: 100}]}"
    )
    assert found.canary == Canary(
        steps=(
            TrafficStep(permille=5, hold_ms=5 * MINUTE_MS),
            TrafficStep(permille=50, hold_ms=4 * MINUTE_MS, needs_approval=True),
            TrafficStep(permille=250, hold_ms=5 * MINUTE_MS),
            TrafficStep(permille=1000),
        ),
        approval_ms=120 * MINUTE_MS,
        keep_ms=3 * MINUTE_MS,
    )


def test_steps_that_do_not_end_with_everything_are_completed() -> None:
    steps = shift("strategy: canary, canary: {steps: [5, 10, 25]}").canary.steps
    assert [step.permille for step in steps] == [50, 100, 250, 1000]
    assert steps[-1] == TrafficStep(permille=1000)


@pytest.mark.parametrize(
    ("steps", "rule"),
    [
        ("[25, 10]", "shares rise and end with 100 %"),
        ("[0]", "from 0.1 to 100 percent"),
        ("[101]", "from 0.1 to 100 percent"),
        ("[0.05]", "in steps of 0.1"),
        ("[soon]", "no weight"),
        ("[]", "shares rise"),
        ("[{for: 5m}]", "weight is missing"),
        ("[{weight: 5, pause: 5m}]", "'5m': approve is expected"),
    ],
)
def test_steps_that_make_no_sense_are_refused_where_they_stand(steps: str, rule: str) -> None:
    (finding,) = refused(a_file(f"x-tower: {{{ROUTE}, strategy: canary, canary: {{steps: {steps}}}}}"))
    assert rule in str(finding)
    assert finding.path.startswith("services.web.x-tower.canary.steps")


def test_judgement_has_rates_in_percent_and_latencies_as_times() -> None:
    found = shift(
        "strategy: canary, analysis: {budget: 0.5%, warmup: 30s, min_requests: 200,"
        " on_inconclusive: rollback,"
        " silence: 2m, min_effect: 0.001, margin: 2%, error_rate: 3%, success_rate: 95%,"
        " latency: {p50: 100ms, p95: 300ms, p99: 1.5s, ratio: 1.25}}"
    )
    assert found.analysis == Analysis(
        budget=0.005,
        warmup_ms=30_000,
        requests_min=200,
        on_inconclusive=InconclusiveAction.ROLLBACK,
        silence_ms=2 * MINUTE_MS,
        failure_rate_effect=0.001,
        failure_rate_margin=0.02,
        error_rate_max=0.03,
        success_rate_min=0.95,
        latency_p50_ms_max=100.0,
        latency_p95_ms_max=300.0,
        latency_p99_ms_max=1500.0,
        latency_ratio_max=1.25,
    )


def test_judgement_may_be_said_within_the_canary_too() -> None:
    found = shift(
        "strategy: canary, canary: {min_requests: 100, warmup: 60s, on_inconclusive: promote,"
        " analysis: {errors: {max_rate: 1%, alpha: 0.01}, latency: {max_p95_ratio: 1.25, alpha: 0.01}}}"
    )
    assert found.analysis == Analysis(
        requests_min=100,
        on_inconclusive=InconclusiveAction.PROMOTE,
        error_rate_max=0.01,
        latency_ratio_max=1.25,
    )


def test_limits_on_metrics_are_in_the_unit_that_the_metric_has() -> None:
    found = shift(
        "strategy: canary, analysis: {metrics: ["
        "{metric: memory_bytes, max: 512MiB, for: 30s}, {metric: cpu_percent, max: 80%, ratio_max: 1.5},"
        " {metric: tx_bytes_per_s, min: 1k/s}, {metric: latency_p95_ms, max: 0.3s},"
        " {metric: oom_kills, max: 0}]}"
    )
    assert found.analysis.metrics == (
        MetricLimit(metric="memory_bytes", max_value=512 * 1024**2, for_ms=30_000),
        MetricLimit(metric="cpu_percent", max_value=80, ratio_max=1.5),
        MetricLimit(metric="tx_bytes_per_s", min_value=1024),
        MetricLimit(metric="latency_p95_ms", max_value=300),
        MetricLimit(metric="oom_kills", max_value=0, for_ms=0),
    )


@pytest.mark.parametrize(
    ("limit", "words", "place"),
    [
        ("{metric: memory.bytes, max: 1g}", "did you mean memory_bytes?", ".metric"),
        ("{metric: load_1, max: 1}", "is not measured of each revision", ".metric"),
        ("{metric: health, max: 1}", "is a state", ".metric"),
        ("{metric: memory_bytes, max: lots}", "is no size", ".max"),
        ("{metric: cpu_percent, max: lots}", "is no number", ".max"),
        ("{metric: cpu_percent, maxx: 5}", "did you mean max?", ".maxx"),
        ("{metric: cpu_percent}", "give it max, min or ratio_max", ""),
        ("{metric: restarts, max: 1, for: 1m}", "counts events", ".for"),
        ("{max: 5}", "metric is missing", ""),
    ],
)
def test_a_limit_that_makes_no_sense_is_refused_where_it_stands(limit: str, words: str, place: str) -> None:
    findings = refused(a_file(f"x-tower: {{{ROUTE}, strategy: canary, analysis: {{metrics: [{limit}]}}}}"))
    assert words in str(findings[0])
    assert findings[0].path == f"services.web.x-tower.analysis.metrics[0]{place}"


def test_judgement_can_be_turned_off() -> None:
    assert not shift("strategy: canary, analysis: false").analysis.is_on


@pytest.mark.parametrize(
    ("x_tower", "rule"),
    [
        ("analysis: {budget: 1%}, canary: {analysis: {budget: 1%}}", "x-tower.analysis is there too"),
        ("analysis: {warmup: 1m}, canary: {warmup: 1m}", "analysis has it too"),
        ("analysis: {budget: 2}", "not from 0% to 100%"),
        ("analysis: {latency: {ratio: 0.5}}", "analysis.latency_ratio_max 0.5"),
        ("analysis: {silence: 1s}", "analysis.silence_ms"),
    ],
)
def test_judgement_that_makes_no_sense_is_refused(x_tower: str, rule: str) -> None:
    findings = refused(a_file(f"x-tower: {{{ROUTE}, strategy: canary, {x_tower}}}"))
    assert rule in str(findings[0])
    assert findings[0].path.startswith("services.web.x-tower.")


def test_fields_of_another_strategy_are_pointed_at() -> None:
    project = accepted(a_file(f"x-tower: {{{ROUTE}, canary: {{keep: 1m}}, analysis: {{margin: 1%}}}}"))
    assert [warning.path for warning in project.warnings] == [
        "services.web.x-tower.canary",
        "services.web.x-tower.analysis",
    ]


def test_a_strategy_that_moves_requests_needs_a_route_and_no_port_of_the_host() -> None:
    (no_route,) = refused(a_file("x-tower: {strategy: canary}"))
    (fixed,) = refused(a_file(f"ports: ['80:80']\nx-tower: {{{ROUTE}, strategy: blue-green}}"))
    assert "there is no route" in no_route.rule
    assert "a port of the host is there once" in fixed.rule


# ---- hosts ----------------------------------------------------------------------------------------


def test_rules_on_hosts_come_from_both_places() -> None:
    found = placement(
        "pin_host: db1, failover: none, placement: {apart_from: [cache, api, cache], headroom: 20%}",
        "placement: {constraints: ['node.labels.tier==app', node.hostname != h2],"
        " preferences: [{spread: node.labels.zone}], max_replicas_per_node: 2}",
    )
    assert found == PlacementRules(
        constraints=(parse_constraint("node.labels.tier==app"), parse_constraint("node.hostname!=h2")),
        spread=(parse_attribute("node.labels.zone"),),
        replicas_per_host_max=2,
        apart_from=("api", "cache"),
        pin_host="db1",
        headroom_percent=20,
        failover=Failover.NONE,
    )


@pytest.mark.parametrize(
    ("deploy", "path", "rule"),
    [
        ("constraints: [somewhere]", "constraints[0]", "write ATTRIBUTE==VALUE"),
        ("constraints: [node.colour==red]", "constraints[0]", "node.colour is not known"),
        ("preferences: [{spread: zone}]", "preferences[0].spread", "zone is not known"),
        ("preferences: [{}]", "preferences[0]", "spread is missing"),
        ("max_replicas_per_node: -1", "max_replicas_per_node", "0 to 1000 is allowed"),
    ],
)
def test_a_wrong_rule_on_hosts_is_refused_where_it_stands(deploy: str, path: str, rule: str) -> None:
    (finding,) = refused(a_file(f"deploy: {{placement: {{{deploy}}}}}"))
    assert finding.path == f"services.web.deploy.placement.{path}"
    assert rule in str(finding)


# ---- singletons -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("singleton", "fencing"), [("true", Fencing.STRICT), ("manual", Fencing.MANUAL), ("false", Fencing.NONE)]
)
def test_a_singleton_is_fenced_and_stopped_before_its_successor_starts(
    singleton: str, fencing: Fencing
) -> None:
    service = the_service(a_file(f"x-tower: {{singleton: {singleton}}}"))
    assert service.fencing is service.spec.fencing is fencing
    is_stop_first = (service.policy.max_surge, service.policy.max_unavailable) == (0, 1)
    assert is_stop_first is (fencing is not Fencing.NONE)


def test_a_service_that_may_leave_its_volume_behind_is_fenced() -> None:
    service = the_service(a_file("x-tower: {failover: restart}"))
    assert (service.placement.failover, service.fencing) == (Failover.RESTART, Fencing.STRICT)
    assert service.policy.max_surge == 0


@pytest.mark.parametrize(
    ("keys", "rule"),
    [
        ("deploy: {replicas: 2}\nx-tower: {singleton: true}", "a singleton is one"),
        (f"x-tower: {{{ROUTE}, singleton: true, strategy: canary}}", "runs two revisions at once"),
        (
            "deploy: {update_config: {order: start-first}}\nx-tower: {singleton: true}",
            "start-first runs the new one beside the old one",
        ),
    ],
)
def test_what_would_make_a_singleton_two_is_refused(keys: str, rule: str) -> None:
    (finding,) = refused(a_file(keys))
    assert rule in finding.rule


# ---- the rest of deploy ---------------------------------------------------------------------------


def test_the_number_of_replicas_has_an_older_name_too() -> None:
    assert the_service(a_file("scale: 4")).replicas == 4
    assert "leave one of them out" in refused(a_file("scale: 4\ndeploy: {replicas: 4}"))[0].hint
    assert "0 to 1000" in refused(a_file("deploy: {replicas: 1001}"))[0].rule


def test_labels_of_the_service_are_not_those_of_its_containers() -> None:
    service = the_service(a_file("labels: {a: 1}\ndeploy: {labels: {tier: front}}"))
    assert (service.labels, service.spec.labels) == ((("tier", "front"),), (("a", "1"),))


def test_a_mode_that_is_no_number_of_replicas_is_refused() -> None:
    (finding,) = refused(a_file("deploy: {mode: global}"))
    assert (finding.path, "replicated is expected" in finding.rule) == ("services.web.deploy.mode", True)


def test_resources_have_older_names_too_but_not_both() -> None:
    found = the_service(
        a_file("mem_limit: 1g\nmem_reservation: 512m\ncpus: 1.5\npids_limit: 50")
    ).spec.resources
    assert (found.cpu_limit_millis, found.memory_limit_bytes, found.pids_limit) == (1500, 1 << 30, 50)
    (finding,) = refused(a_file("mem_limit: 1g\ndeploy: {resources: {limits: {memory: 1g}}}"))
    assert finding.path == "services.web.mem_limit"


def test_a_reservation_above_its_limit_is_refused() -> None:
    (finding,) = refused(a_file("mem_limit: 1m\nmem_reservation: 2m"))
    assert "above its limit" in finding.rule


def test_a_fixed_port_with_several_replicas_is_pointed_at_and_two_on_a_host_are_refused() -> None:
    (warning,) = accepted(a_file("ports: ['80:80']\ndeploy: {replicas: 2}")).warnings
    assert "2 replicas need as many hosts" in warning.rule
    (finding,) = refused(a_file("ports: ['80:80']\ndeploy: {placement: {max_replicas_per_node: 2}}"))
    assert "port 80 of a host is there once" in finding.rule
