"""A Compose file as services ready for the log, or everything that is wrong with it."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from cluster.compose.document import Unreadable, Value, read
from cluster.compose.findings import Finding
from cluster.compose.merging import settle
from cluster.compose.values import (
    parse_command,
    parse_cpus_millis,
    parse_duration_ms,
    parse_port,
    parse_size_bytes,
    parse_volume,
)
from cluster.model.ids import ServiceId
from cluster.model.placing import PlacementRules
from cluster.model.service import (
    REPLICAS_MAX,
    FailureAction,
    Fencing,
    HealthCheck,
    PortProtocol,
    PublishedPort,
    Resources,
    RolloutPolicy,
    Route,
    ServiceSpec,
    VolumeKind,
    VolumeMount,
)

SERVICES_MAX = 100
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,30}")
_T = TypeVar("_T")

_NO_PAIRS: tuple[tuple[str, str], ...] = ()
_NO_PORTS: tuple[PublishedPort, ...] = ()
_NO_VOLUMES: tuple[VolumeMount, ...] = ()

_IGNORED_TOP = {
    "version": "the Compose Specification has no versions any more",
    "volumes": "named volumes are made on the host that needs them; options are not supported yet",
    "networks": "services of one project share one network on each host",
}
_REFUSED_TOP = {
    "include": "resolve it first: docker compose config",
    "configs": "not supported yet: put the file into the image or a volume",
    "secrets": "not supported yet: give the value as an environment variable",
}
_IGNORED = {
    "build": "images come from a registry: build and push first",
    "container_name": "names are made from service, revision and replica, so that revisions run side by side",
    "depends_on": "services start independently: wait for what you need inside the container",
    "expose": "ports between containers of one network need no publishing",
    "logging": "the engine's own logging driver is used",
    "networks": "services of one project share one network on each host",
    "platform": "the host's own platform is used",
    "profiles": "every service of the file is deployed",
    "pull_policy": "an image is pulled when the host does not have its digest",
    "restart": "the cluster replaces what ends",
    "stdin_open": "replicas have no terminal",
    "tty": "replicas have no terminal",
}
_REFUSED = {
    "cap_add": "a permission of its own that this version cannot grant",
    "configs": "not supported yet",
    "devices": "not supported yet",
    "env_file": "a file beside the Compose file is not on the hosts: give `environment`, or run "
    "`docker compose config` first",
    "extends": "resolve it first: docker compose config",
    "external_links": "containers outside the project cannot be linked",
    "ipc": "sharing a host's IPC is not supported",
    "links": "services reach each other by name in the project's network",
    "network_mode": "only the project's own network is supported",
    "pid": "sharing a host's processes is not supported",
    "privileged": "a permission of its own that this version cannot grant",
    "secrets": "not supported yet",
    "security_opt": "not supported yet",
    "userns_mode": "not supported yet",
    "volumes_from": "volumes of other containers are not shared between hosts",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Ignored:
    """A key that has no effect, and why."""

    path: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ComposeService:
    """One service: what PutService needs but for the image's digest, which a registry knows."""

    service_id: ServiceId
    name: str
    spec: ServiceSpec
    replicas: int
    policy: RolloutPolicy
    fencing: Fencing = Fencing.NONE
    placement: PlacementRules = field(default_factory=PlacementRules)


@dataclass(frozen=True, slots=True, kw_only=True)
class InlineConfig:
    """A config whose `content` stands in the file, as `key` of its `configs`. Services refer to it by `name`,
    under which it is kept: the project's name, `_`, and the key.
    """

    key: str
    name: str
    content: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class ComposeProject:
    """Everything in the file, services by name. Secrets and configs are referred to without a version."""

    name: str
    services: tuple[ComposeService, ...]
    ignored: tuple[Ignored, ...] = ()
    configs: tuple[InlineConfig, ...] = ()


def parse(
    text: str, *, project: str | None = None, variables: Mapping[str, str] | None = None
) -> ComposeProject | tuple[Finding, ...]:
    """The project in `text`, or all that is wrong with it (at least one finding). Total for any text.

    `project` names it, over the file's own `name`.
    """
    try:
        document = read(text, variables or {})
    except Unreadable as error:
        return (error.finding,)
    reader = _Reader()
    reader.findings.extend(document.findings)
    parsed = reader.project(settle(document.content), project)
    if reader.findings or parsed is None:
        return tuple(
            sorted(reader.findings, key=lambda finding: (finding.line, finding.column, finding.path))
        )
    return parsed


@dataclass
class _Reader:
    """Walks the document, collecting findings; a part with a finding reads as its default."""

    findings: list[Finding] = field(default_factory=list)
    ignored: list[Ignored] = field(default_factory=list)

    def project(self, document: Value, given_name: str | None) -> ComposeProject | None:
        top = self._mapping(document)
        if top is None:
            if not self.findings:
                self.findings.append(document.finding("the file is empty", "it needs at least one service"))
            return None
        for key in list(top):
            if key.startswith("x-") or key in ("name", "services"):
                continue
            self._sort_out(top[key], key, _IGNORED_TOP, _REFUSED_TOP, {"name", "services"})
        name = given_name or (self._text(top["name"]) if "name" in top else "")
        if not name:
            rule = "the project has no name"
            self.findings.append(
                Finding(path="name", rule=rule, hint="add `name:` at the top, or give --project")
            )
        elif not _NAME.fullmatch(name):
            where = top.get("name", document)
            self.findings.append(where.finding(f"{name!r}: 1 to 31 of a-z 0-9 _ -, a letter or digit first"))
        services = self._mapping(top["services"]) if "services" in top else None
        if not services:
            if not self.findings:
                rule = "the file has no services"
                where = top.get("services", document)
                self.findings.append(where.finding(rule, "it needs at least one, with an image"))
            return None
        if len(services) > SERVICES_MAX:
            self.findings.append(top["services"].finding(f"{len(services)} services; at most {SERVICES_MAX}"))
            return None
        read_services = [self._service(name or "x", key, value) for key, value in sorted(services.items())]
        if self.findings:
            return None
        return ComposeProject(
            name=name,
            services=tuple(service for service in read_services if service is not None),
            ignored=tuple(self.ignored),
        )

    def _service(self, project: str, name: str, value: Value) -> ComposeService | None:
        if not _NAME.fullmatch(name):
            self.findings.append(
                value.finding(f"service {name!r}: 1 to 31 of a-z 0-9 _ -, a letter or digit first")
            )
            return None
        keys = self._mapping(value)
        if keys is None:
            return None
        known = {
            "image", "command", "environment", "ports", "volumes", "healthcheck", "deploy", "labels",
            "stop_grace_period", "x-tower",
        }  # fmt: skip
        for key in keys:
            if key not in known and not key.startswith("x-"):
                self._sort_out(keys[key], key, _IGNORED, _REFUSED, known)
        is_named = "image" in keys and keys["image"].content not in (None, "")
        image = self._text(keys["image"]) if is_named else ""
        if not is_named:
            self.findings.append(
                value.finding("image is missing", "name the image to run, such as nginx:1.27")
            )
        deploy = (self._mapping(keys["deploy"]) or {}) if "deploy" in keys else {}
        tower = (self._mapping(keys["x-tower"]) or {}) if "x-tower" in keys else {}
        route = self._get(tower, "route", self._route, None)
        before = len(self.findings)
        command = self._get(keys, "command", self._command, None)
        environment = self._get(keys, "environment", self._pairs, _NO_PAIRS)
        ports = self._get(keys, "ports", self._ports, _NO_PORTS)
        volumes = self._get(keys, "volumes", self._volumes, _NO_VOLUMES)
        healthcheck = self._get(keys, "healthcheck", self._healthcheck, None)
        labels = self._get(keys, "labels", self._pairs, _NO_PAIRS)
        stop_grace_period_ms = self._get(keys, "stop_grace_period", self._duration, 10_000)
        resources = self._get(deploy, "resources", self._resources, Resources())
        replicas = self._get(deploy, "replicas", self._count, 1)
        policy = self._policy(deploy, tower)
        self._only(tower, {"route", "drain"}, "x-tower")
        self._check_deploy(deploy)
        if any(key.startswith("tower.") for key, _ in labels):
            self.findings.append(
                keys["labels"].finding("labels that begin with tower. are Control Tower's own")
            )
        if not image or len(self.findings) > before:
            return None
        spec = self._built(
            value,
            lambda: ServiceSpec(
                image=image,
                command=command,
                environment=environment,
                ports=ports,
                volumes=volumes,
                healthcheck=healthcheck,
                resources=resources,
                labels=labels,
                stop_grace_period_ms=stop_grace_period_ms,
                route=route,
            ),
        )
        if spec is None:
            return None
        return ComposeService(
            service_id=ServiceId(f"{project}.{name}"), name=name, spec=spec, replicas=replicas, policy=policy
        )

    # Parts of a service

    def _command(self, value: Value) -> tuple[str, ...] | None:
        if isinstance(value.content, list):
            return tuple(self._text(item) for item in value.content)
        text = self._text(value)
        return self._built(value, lambda: parse_command(text)) if text else None

    def _pairs(self, value: Value) -> tuple[tuple[str, str], ...]:
        pairs: dict[str, str] = {}
        if isinstance(value.content, dict):
            for key, inner in value.content.items():
                pairs[key] = "" if inner.content is None else self._text(inner)
        elif isinstance(value.content, list):
            for item in value.content:
                key, separator, text = self._text(item).partition("=")
                if not separator:
                    rule = f"{key!r} has no value: the hosts have no shell to take it from"
                    self.findings.append(item.finding(rule, f"write {key}=value"))
                pairs[key] = text
        else:
            self.findings.append(value.is_not("a mapping or a list of NAME=value"))
        return tuple(sorted(pairs.items()))

    def _ports(self, value: Value) -> tuple[PublishedPort, ...]:
        return tuple(self._each(value, self._port))

    def _port(self, value: Value) -> PublishedPort | None:
        if isinstance(value.content, dict):
            keys = value.content
            self._only(
                keys,
                {"target", "published", "protocol", "host_ip", "mode", "name", "app_protocol"},
                value.path,
            )
            target = self._get(keys, "target", self._count, 0)
            published = self._get(keys, "published", self._count, 0)
            protocol = self._get(keys, "protocol", self._text, "tcp")
            host_ip = self._get(keys, "host_ip", self._text, "")
            return self._built(
                value,
                lambda: PublishedPort(
                    container_port=target,
                    protocol=PortProtocol(protocol),
                    host_port=published,
                    host_ip=host_ip,
                ),
            )
        text = self._text(value)
        return self._built(value, lambda: parse_port(text)) if text else None

    def _volumes(self, value: Value) -> tuple[VolumeMount, ...]:
        return tuple(self._each(value, self._volume))

    def _volume(self, value: Value) -> VolumeMount | None:
        if isinstance(value.content, dict):
            keys = value.content
            self._only(keys, {"type", "source", "target", "read_only"}, value.path)
            kind = self._get(keys, "type", self._text, "volume")
            return self._built(
                value,
                lambda: VolumeMount(
                    kind=VolumeKind(kind),
                    source=self._get(keys, "source", self._text, ""),
                    target=self._get(keys, "target", self._text, ""),
                    is_read_only=self._get(keys, "read_only", self._flag, default=False),
                ),
            )
        text = self._text(value)
        return self._built(value, lambda: parse_volume(text)) if text else None

    def _healthcheck(self, value: Value) -> HealthCheck | None:
        keys = self._mapping(value)
        if keys is None:
            return None
        allowed = {"test", "interval", "timeout", "retries", "start_period", "start_interval", "disable"}
        self._only(keys, allowed, value.path)
        if self._get(keys, "disable", self._flag, default=False):
            return HealthCheck(test=("NONE",))
        if "test" not in keys:
            self.findings.append(value.finding("test is missing", 'such as ["CMD", "/health"]'))
            return None
        test = keys["test"]
        if isinstance(test.content, list):
            words = tuple(self._text(item) for item in test.content)
        else:
            words = ("CMD-SHELL", self._text(test))
        return self._built(
            value,
            lambda: HealthCheck(
                test=words,
                interval_ms=self._get(keys, "interval", self._duration, 30_000),
                timeout_ms=self._get(keys, "timeout", self._duration, 30_000),
                retries=self._get(keys, "retries", self._count, 3),
                start_period_ms=self._get(keys, "start_period", self._duration, 0),
                start_interval_ms=self._get(keys, "start_interval", self._duration, 0),
            ),
        )

    def _resources(self, value: Value) -> Resources:
        keys = self._mapping(value) or {}
        self._only(keys, {"limits", "reservations"}, value.path)
        sizes: dict[str, int] = {}
        before = len(self.findings)
        for key, suffix in (("limits", "limit"), ("reservations", "reservation")):
            inner = (self._mapping(keys[key]) or {}) if key in keys else {}
            self._only(inner, {"cpus", "memory"}, f"{value.path}.{key}")
            if "cpus" in inner:
                sizes[f"cpu_{suffix}_millis"] = self._measured(inner["cpus"], parse_cpus_millis)
            if "memory" in inner:
                sizes[f"memory_{suffix}_bytes"] = self._measured(inner["memory"], parse_size_bytes)
        if len(self.findings) > before:
            return Resources()
        return self._built(value, lambda: Resources(**sizes)) or Resources()

    def _route(self, value: Value) -> Route | None:
        keys = self._mapping(value)
        if keys is None:
            return None
        self._only(keys, {"host", "port", "health"}, value.path)
        missing = [key for key in ("host", "port") if key not in keys]
        if missing:
            self.findings.append(
                value.finding(f"{' and '.join(missing)} missing", "such as host: shop.example.com")
            )
            return None
        return self._built(
            value,
            lambda: Route(
                host=self._text(keys["host"]).lower(),
                port=self._count(keys["port"]),
                health_path=self._get(keys, "health", self._text, "/"),
            ),
        )

    def _policy(self, deploy: dict[str, Value], tower: dict[str, Value]) -> RolloutPolicy:
        update = (self._mapping(deploy["update_config"]) or {}) if "update_config" in deploy else {}
        allowed = {"parallelism", "order", "monitor", "failure_action", "delay", "max_failure_ratio"}
        self._only(update, allowed, "deploy.update_config")
        for key in ("delay", "max_failure_ratio"):
            if key in update:
                self.ignored.append(Ignored(path=update[key].path, reason="not supported yet"))
        parallelism = self._get(update, "parallelism", self._count, 1) or REPLICAS_MAX
        order = self._get(update, "order", self._text, "start-first")
        if order not in ("start-first", "stop-first"):
            self.findings.append(update["order"].finding(f"{order!r}: start-first or stop-first"))
        action = self._get(update, "failure_action", self._text, "rollback")
        if action not in ("rollback", "pause"):
            self.findings.append(update["failure_action"].finding(f"{action!r}: rollback or pause"))
            action = "rollback"
        drain = (self._mapping(tower["drain"]) or {}) if "drain" in tower else {}
        self._only(drain, {"timeout"}, "x-tower.drain")
        is_start_first = order != "stop-first"
        where = deploy.get("update_config") or tower.get("drain")

        def build() -> RolloutPolicy:
            return RolloutPolicy(
                max_surge=parallelism if is_start_first else 0,
                max_unavailable=0 if is_start_first else parallelism,
                monitor_ms=self._get(update, "monitor", self._duration, 10_000),
                drain_timeout_ms=self._get(drain, "timeout", self._duration, 30_000),
                failure_action=FailureAction(action),
            )

        if where is None:
            return build()
        return self._built(where, build) or RolloutPolicy()

    def _check_deploy(self, deploy: dict[str, Value]) -> None:
        supported = {"replicas", "resources", "update_config"}
        later = {"placement", "rollback_config", "restart_policy", "labels", "endpoint_mode", "mode"}
        for key in deploy:
            if key in later:
                self.ignored.append(Ignored(path=deploy[key].path, reason="not supported yet"))
            elif key not in supported and not key.startswith("x-"):
                rule = f"{key!r} is not known under deploy: {', '.join(sorted(supported))}"
                self.findings.append(deploy[key].finding(rule))

    # Small parts

    def _sort_out(
        self,
        value: Value,
        key: str,
        ignored: Mapping[str, str],
        refused: Mapping[str, str],
        known: Iterable[str],
    ) -> None:
        if key in ignored:
            self.ignored.append(Ignored(path=value.path, reason=ignored[key]))
        elif key in refused:
            self.findings.append(value.finding(f"{key!r} is refused: {refused[key]}"))
        else:
            close = difflib.get_close_matches(key, [*known, *ignored, *refused], 1, 0.7)
            hint = f"did you mean {close[0]}?" if close else "check the spelling; x-... keys are free"
            self.findings.append(value.finding(f"{key!r} is not known", hint))

    def _only(self, keys: Mapping[str, Value], allowed: Iterable[str], where: str) -> None:
        for key in keys:
            if key not in allowed:
                rule = f"{key!r} is not known under {where}: {', '.join(sorted(allowed))}"
                close = difflib.get_close_matches(key, list(allowed), 1, 0.7)
                self.findings.append(keys[key].finding(rule, f"did you mean {close[0]}?" if close else ""))

    def _get(self, keys: Mapping[str, Value], key: str, read_part: Callable[[Value], _T], default: _T) -> _T:
        if key not in keys or keys[key].content is None:
            return default
        return read_part(keys[key])

    def _each(self, value: Value, read_part: Callable[[Value], _T | None]) -> list[_T]:
        if not isinstance(value.content, list):
            self.findings.append(value.is_not("a list"))
            return []
        return [item for item in map(read_part, value.content) if item is not None]

    def _mapping(self, value: Value) -> dict[str, Value] | None:
        if isinstance(value.content, dict):
            return value.content
        if value.content is not None:
            self.findings.append(value.is_not("a mapping"))
        return None

    def _text(self, value: Value) -> str:
        match value.content:
            case str(text):
                return text
            case bool(flag):
                return "true" if flag else "false"
            case int() | float():
                return str(value.content)
            case _:
                self.findings.append(value.is_not("text"))
                return ""

    def _count(self, value: Value) -> int:
        match value.content:
            case bool():
                pass
            case int(number):
                return number
            case str(text) if text.isascii() and text.isdigit() and len(text) < 10:
                return int(text)
        self.findings.append(value.is_not("a whole number"))
        return 0

    def _flag(self, value: Value) -> bool:
        if isinstance(value.content, bool):
            return value.content
        self.findings.append(value.is_not("true or false"))
        return False

    def _duration(self, value: Value) -> int:
        return self._measured(value, parse_duration_ms)

    def _measured(self, value: Value, measure: Callable[[str], int]) -> int:
        text = self._text(value)
        return (self._built(value, lambda: measure(text)) or 0) if text else 0

    def _built(self, value: Value, build: Callable[[], _T]) -> _T | None:
        """What `build` makes; its ValueError is a finding here."""
        try:
            return build()
        except ValueError as error:
            rule = str(error)
            if value.is_replaced:
                rule = rule.replace(repr(value.content), "the variable's value")
            self.findings.append(value.finding(rule))
            return None
