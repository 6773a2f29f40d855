"""`x-tower`: what Compose has no words for. Names and defaults are those of the model's own."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from cluster.compose import vocabulary
from cluster.compose.container import read_words
from cluster.compose.document import Value
from cluster.compose.reader import Parts, Reader
from cluster.compose.scaling import read_scaling
from cluster.compose.strategy import read_shift
from cluster.compose.watching import read_watch
from cluster.model.autoscaling import AutoscalePolicy
from cluster.model.hooks import TIMEOUT_DEFAULT_MS, Hook
from cluster.model.placing import Failover, PlacementRules
from cluster.model.service import Fencing, RolloutPolicy, Route, RouteTls, Sticky
from cluster.model.watching import WatchRules

_FENCING = {"true": Fencing.STRICT, "false": Fencing.NONE, "manual": Fencing.MANUAL, "strict": Fencing.STRICT}
_TLS = {"true": RouteTls.ON, "false": RouteTls.OFF} | {tls.value: tls for tls in RouteTls}


@dataclass(frozen=True, slots=True, kw_only=True)
class Tower:
    """What of `x-tower` goes neither into the policy nor into the rules of placement."""

    route: Route | None = None
    fencing: Fencing = Fencing.NONE
    singleton: Value | None = None
    autoscale: AutoscalePolicy | None = None
    watch: WatchRules | None = None


def read_tower(
    reader: Reader, value: Value | None, policy: Parts[RolloutPolicy], placement: Parts[PlacementRules]
) -> Tower:
    """Read `x-tower`; rollouts go into `policy`, hosts into `placement`."""
    keys = None if value is None else reader.keys(value, vocabulary.TOWER)
    if keys is None:
        return Tower()
    for key, name in (
        ("start_deadline", "start_deadline_ms"),
        ("pull_deadline", "pull_deadline_ms"),
        ("progress_deadline", "progress_deadline_ms"),
    ):
        policy.read(name, keys.value(key), reader.duration_ms)
    policy.read("retries", keys.value("retries"), reader.count)
    _rolling(reader, keys.value("rolling"), policy)
    _drain(reader, keys.value("drain"), policy)
    _hooks(reader, keys.value("hooks"), policy)
    shift = read_shift(reader, keys)
    if shift is not None:
        policy.set("shift", shift, keys.at)
    placement.read("pin_host", keys.value("pin_host"), reader.text)
    failovers = {failover.value: failover for failover in Failover}
    placement.read(
        "failover", keys.value("failover"), partial(reader.choice, choices=failovers, default=Failover.AUTO)
    )
    _placement(reader, keys.value("placement"), placement)
    singleton = keys.value("singleton")
    return Tower(
        route=keys.find("route", partial(_route, reader)),
        fencing=keys.get(
            "singleton", partial(reader.choice, choices=_FENCING, default=Fencing.NONE), Fencing.NONE
        ),
        singleton=singleton,
        autoscale=keys.find("scaling", partial(read_scaling, reader)),
        watch=keys.find("watch", partial(read_watch, reader)),
    )


def _route(reader: Reader, value: Value) -> Route | None:
    keys = reader.keys(value, vocabulary.ROUTE)
    if keys is None:
        return None
    missing = [key for key in ("host", "port") if keys.value(key) is None]
    if missing:
        reader.refuse(value, f"{' and '.join(missing)} missing", "such as host: shop.example.com")
        return None
    route = Parts(reader, Route, host="x", port=1)
    route.read("host", keys.value("host"), lambda at: reader.text(at).lower())
    route.read("port", keys.value("port"), reader.count)
    route.read("path", keys.value("path"), reader.text)
    if keys.value("health") is not None and (other := keys.value("health_path")) is not None:
        reader.refuse(other, "health says it too", "leave one of them out")
    route.read("health_path", keys.first("health", "health_path"), partial(_health, reader))
    stickies = {sticky.value: sticky for sticky in Sticky}
    route.read("sticky", keys.value("sticky"), partial(reader.choice, choices=stickies, default=Sticky.NONE))
    route.read("tls", keys.value("tls"), partial(reader.choice, choices=_TLS, default=RouteTls.OFF))
    route.read("slow_start_ms", keys.value("slow_start"), reader.duration_ms)
    return route.make(value)


def _health(reader: Reader, value: Value) -> str:
    text = reader.text(value)
    return "" if text == "tcp" else text


def _rolling(reader: Reader, value: Value | None, policy: Parts[RolloutPolicy]) -> None:
    keys = None if value is None else reader.keys(value, vocabulary.ROLLING)
    if keys is None:
        return
    fields = {
        name: reader.count(at)
        for name in ("max_surge", "max_unavailable")
        if (at := keys.value(name)) is not None
    }
    if fields.get("max_unavailable") and "max_surge" not in fields:
        # One of the two is what bounds a rollout; the other would only be its default.
        fields["max_surge"] = 0
    if fields:
        policy.set_all(fields, keys.at)


def _drain(reader: Reader, value: Value | None, policy: Parts[RolloutPolicy]) -> None:
    keys = None if value is None else reader.keys(value, vocabulary.DRAIN)
    if keys is not None:
        policy.read("drain_timeout_ms", keys.value("timeout"), reader.duration_ms)
        policy.read("tunnel_drain_ms", keys.value("websockets"), reader.duration_ms)


def _placement(reader: Reader, value: Value | None, placement: Parts[PlacementRules]) -> None:
    keys = None if value is None else reader.keys(value, vocabulary.TOWER_PLACEMENT)
    if keys is not None:
        placement.read(
            "apart_from",
            keys.value("apart_from"),
            lambda at: tuple(sorted(set(reader.one_or_texts(at)))),
        )
        placement.read("headroom_percent", keys.value("headroom"), partial(_percent, reader))


def _percent(reader: Reader, value: Value) -> int:
    if isinstance(value.content, str) and value.content.removesuffix("%").isdigit():
        return int(value.content.removesuffix("%")[:9])
    return reader.count(value)


def _hooks(reader: Reader, value: Value | None, policy: Parts[RolloutPolicy]) -> None:
    keys = None if value is None else reader.keys(value, vocabulary.HOOKS)
    if keys is not None:
        for name in ("pre_deploy", "post_deploy"):
            policy.read(name, keys.value(name), partial(reader.each, read=partial(_hook, reader)))


def _hook(reader: Reader, value: Value) -> Hook | None:
    keys = reader.keys(value, vocabulary.HOOK)
    if keys is None:
        return None
    command = keys.find("command", partial(read_words, reader))
    timeout_ms = keys.get("timeout", reader.duration_ms, TIMEOUT_DEFAULT_MS)
    if keys.value("command") is None:
        reader.refuse(value, "command is missing", "such as command: [/app/migrate]")
    if command is None:
        return None
    is_repeatable = keys.get("retry", reader.flag, default=False)
    return reader.built(
        value, lambda: Hook(command=command, timeout_ms=timeout_ms, is_repeatable=is_repeatable)
    )
