"""Checks on how a service behaves while it is rolled out: health, requests, shares, ends."""

from __future__ import annotations

from collections.abc import Iterator

from cluster.model.metric_limits import quantity
from cluster.model.service import RouteTls
from cluster.model.strategy import Strategy
from cluster.readiness.deploying import Deploying, Setting
from cluster.readiness.images import image_config
from cluster.readiness.notes import Check, Note, error, warning
from cluster.rollout.judge.pacing import merge_steps

_SHELLS = frozenset({"/bin/sh", "sh", "/bin/bash", "bash", "/bin/ash"})


def check_behaviour(service: Deploying, setting: Setting) -> Iterator[Note]:
    """Yield what would go wrong, or be lost, on the way."""
    yield from _check_route(service, setting)
    yield from _check_health(service, setting)
    yield from _check_drain(service, setting)
    yield from _check_canary(service)


def _check_route(service: Deploying, setting: Setting) -> Iterator[Note]:
    route = service.spec.route
    if route is None:
        return
    for host, path, owner in setting.routes:
        if owner != service.service_id and (host, path) == (route.host, route.path):
            yield error(
                Check.ROUTE,
                service.service_id,
                f"{owner} has requests for {host}{path} already",
                "give one of them another host or path",
            )
    if route.tls is not RouteTls.OFF and not any(_covers(name, route.host) for name in setting.certified):
        what = "nothing answers over HTTPS" if route.tls is RouteTls.ON else "no request is sent on to HTTPS"
        yield warning(
            Check.ROUTE,
            service.service_id,
            f"there is no certificate for {route.host} in the cluster, so {what} unless a host has one of its"
            " own",
            "`tower certificate put` keeps one",
        )


def _covers(name: str, host: str) -> bool:
    if name == host:
        return True
    return name.startswith("*.") and host.partition(".")[2] == name[2:]


def _check_health(service: Deploying, setting: Setting) -> Iterator[Note]:
    spec = service.spec
    if spec.route is not None or (spec.healthcheck is not None and spec.healthcheck.test != ("NONE",)):
        return
    config = image_config(service, setting)
    is_off = spec.healthcheck is not None
    if config is None and not is_off:
        # That nothing is known of the image is said already, and the image may have a check.
        return
    if is_off or (config is not None and not config.has_healthcheck):
        yield warning(
            Check.HEALTH,
            service.service_id,
            "nothing says when a replica works: it counts as soon as it runs, whatever it does then",
            "add a healthcheck",
        )


def _check_drain(service: Deploying, setting: Setting) -> Iterator[Note]:
    spec = service.spec
    config = image_config(service, setting)
    first = spec.options.entrypoint or (config.entrypoint if config is not None else ()) or spec.command
    first = first or (config.command if config is not None else ())
    if not spec.options.init and _is_shell(first or ()):
        yield warning(
            Check.DRAIN,
            service.service_id,
            "a shell is its process 1, which does not pass on the signal to end: each replica then takes its"
            f" whole grace period of {spec.stop_grace_period_ms // 1000} s to stop, and is killed",
            "set init: true, or begin the command with exec",
        )
    if service.p99_ms is not None and service.p99_ms > service.policy.drain_timeout_ms:
        yield warning(
            Check.DRAIN,
            service.service_id,
            f"one in a hundred requests takes {service.p99_ms / 1000:.1f} s, and old replicas get"
            f" {service.policy.drain_timeout_ms / 1000:g} s to finish theirs",
            "set x-tower.drain.timeout higher",
        )


def _is_shell(words: tuple[str, ...]) -> bool:
    if len(words) < 3 or words[0] not in _SHELLS or words[1] != "-c":
        return False
    return not words[2].lstrip().startswith("exec ")


def _check_canary(service: Deploying) -> Iterator[Note]:
    shift = service.policy.shift
    if not shift.strategy.is_staged or service.before is None or not service.is_new_spec:
        return
    if service.ready == 0:
        yield warning(
            Check.CANARY,
            service.service_id,
            "nothing of the present revision answers, so there is nothing to compare with: the new one gets"
            " all requests as soon as it is healthy",
        )
    if not shift.analysis.is_on:
        return
    rate, analysis = service.failure_rate, shift.analysis
    bounds = [1 - analysis.success_rate_min] if analysis.success_rate_min is not None else []
    bounds += [analysis.error_rate_max] if analysis.error_rate_max is not None else []
    if rate is not None and bounds and rate > min(bounds):
        yield warning(
            Check.CANARY,
            service.service_id,
            f"{rate:.2%} of the requests to the present revision fail, and a new one is rolled back above"
            f" {min(bounds):.2%}: it would have to be better than what runs",
        )
    yield from _check_memory_limit(service)
    if shift.strategy is not Strategy.CANARY:
        return
    if service.requests_per_s is None:
        yield warning(
            Check.CANARY,
            service.service_id,
            "how many requests there are is not known yet: a step that gets fewer than"
            f" {shift.analysis.requests_min} is held longer, then {shift.analysis.on_inconclusive} follows",
        )
        return
    _, note = merge_steps(
        shift.steps, requests_per_s=service.requests_per_s, requests_min=shift.analysis.requests_min
    )
    if note:
        yield warning(Check.CANARY, service.service_id, note)


def _check_memory_limit(service: Deploying) -> Iterator[Note]:
    """A container is killed before it uses more than it may."""
    may_use = service.spec.resources.memory_limit_bytes
    for limit in service.policy.shift.analysis.metrics:
        if limit.metric == "memory_bytes" and may_use is not None and (limit.max_value or 0) >= may_use:
            yield warning(
                Check.CANARY,
                service.service_id,
                f"no container can use {quantity(limit.max_value or 0, 'bytes')} of memory, which"
                f" analysis.metrics allows: it is killed at {quantity(may_use, 'bytes')}",
                "set the limit on memory_bytes lower, or one on oom_kills",
            )
