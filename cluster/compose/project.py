"""A Compose file as services ready for the log, or everything that is wrong with it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from graphlib import CycleError, TopologicalSorter

from cluster.compose import vocabulary
from cluster.compose.bound import bound_places
from cluster.compose.checks import check_file, check_service
from cluster.compose.container import read_container
from cluster.compose.deploying import read_placement, read_replicas, read_update
from cluster.compose.document import Unreadable, Value
from cluster.compose.environment import Beside
from cluster.compose.files import Declared, InlineConfig, read_declared
from cluster.compose.findings import Finding
from cluster.compose.loading import ComposeFile, Loaded, load
from cluster.compose.options import read_options
from cluster.compose.reader import Ignored, Keys, Parts, Reader
from cluster.compose.resources import read_resources
from cluster.compose.scaling import check_scaling
from cluster.compose.tower import Tower, read_tower
from cluster.model.autoscaling import AutoscalePolicy
from cluster.model.environments import check_environment
from cluster.model.ids import ServiceId, scope_of, service_id_of
from cluster.model.placing import Failover, PlacementRules
from cluster.model.service import Fencing, RolloutPolicy, ServiceSpec
from cluster.model.watching import WatchRules

SERVICES_MAX = 100
ID_CHARS_MAX = 63
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,30}")
_NAME_RULE = "1 to 31 of a-z 0-9 _ -, a letter or digit first"


@dataclass(frozen=True, slots=True, kw_only=True)
class ComposeService:
    """One service: what PutService needs but for the image's digest, which a registry knows.

    `bound` are the places in it that are its environment's own, see `bound_places`.
    """

    service_id: ServiceId
    name: str
    spec: ServiceSpec
    replicas: int
    policy: RolloutPolicy
    fencing: Fencing = Fencing.NONE
    placement: PlacementRules = field(default_factory=PlacementRules)
    labels: tuple[tuple[str, str], ...] = ()
    bound: tuple[str, ...] = ()
    autoscale: AutoscalePolicy | None = None
    watch: WatchRules | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ComposeProject:
    """Everything in the file: services by name, but after those they depend on. Secrets and configs are
    referred to without a version, unless the file names one. `warnings` are what is better changed.
    """

    name: str
    services: tuple[ComposeService, ...]
    ignored: tuple[Ignored, ...] = ()
    configs: tuple[InlineConfig, ...] = ()
    warnings: tuple[Finding, ...] = ()
    environments: tuple[str, ...] = ()
    environment: str = ""

    @property
    def scope(self) -> str:
        """The project within the environment it was read for, see `Service.scope`."""
        return scope_of(self.name, self.environment)


def parse(
    text: str,
    *,
    project: str | None = None,
    variables: Mapping[str, str] | None = None,
    overrides: Sequence[ComposeFile] = (),
    environment: str = "",
    files: Mapping[str, str] | None = None,
    file: str = "",
) -> ComposeProject | tuple[Finding, ...]:
    """The project in `text`, or all that is wrong with it (at least one finding). Total for any text.

    `project` names it, over the file's own `name`. `overrides` are laid over it one after the other, and over
    them the file's own section for `environment`, which is a part of the services' ids. `files` are the
    contents of files beside it that it names, by the path it names. Findings give the name `file` to the
    first text.
    """
    reader = Reader()
    texts = [ComposeFile(text=text, name=file), *overrides]
    try:
        loaded = load(texts, variables or {}, environment, reader)
    except Unreadable as error:
        return (error.finding,)
    reader.findings.extend(loaded.findings)
    beside = Beside(variables=variables or {}, files=files or {})
    parsed = _Project(reader, beside, loaded, environment).read(loaded.document, project)
    if reader.findings or parsed is None:
        return in_order(reader.findings, texts)
    return parsed


def in_order(findings: Sequence[Finding], files: Sequence[ComposeFile]) -> tuple[Finding, ...]:
    """The findings without repetitions, by file and place."""
    rank = {each.name: number for number, each in enumerate(files)}
    return tuple(
        sorted(
            dict.fromkeys(findings), key=lambda finding: (rank.get(finding.file, len(rank)), finding.order)
        )
    )


@dataclass(frozen=True, slots=True)
class _Project:
    """Reads the document; findings go to the reader."""

    reader: Reader
    beside: Beside
    loaded: Loaded
    environment: str

    def read(self, document: Value, given_name: str | None) -> ComposeProject | None:
        reader = self.reader
        try:
            check_environment("environment", self.environment or "none")
        except ValueError as error:
            reader.findings.append(Finding(path="environment", rule=str(error)))
            return None
        top = reader.keys(document, vocabulary.TOP)
        if top is None:
            if not reader.findings:
                reader.refuse(document, "the file is empty", "it needs at least one service")
            return None
        name = self._name(top, given_name)
        before = len(reader.findings)
        at = top.value("services")
        services = None if at is None else reader.mapping(at)
        if not services:
            if len(reader.findings) == before:
                where = document if at is None else at
                reader.refuse(where, "the file has no services", "it needs at least one, with an image")
            return None
        if len(services) > SERVICES_MAX:
            reader.refuse(at or document, f"{len(services)} services; at most {SERVICES_MAX}")
            return None
        declared = read_declared(reader, top, name or "x", self.beside.files)
        order = self._order(services)
        read = [self._service(name or "x", key, services[key], declared) for key in order]
        found = tuple(service for service in read if service is not None)
        check_file(reader, {service.name: (service.spec, services[service.name]) for service in found})
        if reader.findings:
            return None
        return ComposeProject(
            name=name,
            services=found,
            ignored=tuple(reader.ignored),
            configs=declared.inline,
            warnings=in_order(reader.warnings, ()),
            environments=self.loaded.environments,
            environment=self.environment,
        )

    def _name(self, top: Keys, given_name: str | None) -> str:
        at = top.value("name")
        name = given_name or ("" if at is None else self.reader.text(at))
        if not name:
            rule = "the project has no name"
            hint = "add `name:` at the top, or give --project"
            self.reader.findings.append(Finding(path="name", rule=rule, hint=hint, file=top.at.file))
        elif not _NAME.fullmatch(name):
            where = top.at if at is None else at
            shown = "the variable's value" if where.is_replaced and not given_name else repr(name)
            self.reader.refuse(where, f"{shown}: {_NAME_RULE}")
        return name

    def _order(self, services: dict[str, Value]) -> list[str]:
        """The services' names, each after those it depends on."""
        graph = TopologicalSorter[str]()
        at: dict[str, Value] = {}
        for name, value in sorted(services.items()):
            depends_on = value.content.get("depends_on") if isinstance(value.content, dict) else None
            known: list[str] = []
            if depends_on is not None and depends_on.content is not None:
                at[name] = depends_on
                known = self._dependencies(depends_on, services)
            graph.add(name, *known)
        try:
            graph.prepare()
        except CycleError as error:
            circle: list[str] = error.args[1]
            where = next(at[name] for name in circle if name in at)
            self.reader.refuse(
                where, f"services depend on each other in a circle: {' - '.join(reversed(circle))}"
            )
            return sorted(services)
        order: list[str] = []
        while graph.is_active():
            ready = sorted(graph.get_ready())
            order.extend(ready)
            graph.done(*ready)
        return order

    def _dependencies(self, value: Value, services: dict[str, Value]) -> list[str]:
        reader = self.reader
        self.reader.ignore(
            value, "services are begun in this order, and none waits for another: wait inside the container"
        )
        named: dict[str, Value] = {}
        if isinstance(value.content, dict):
            for name, inner in value.content.items():
                keys = None if inner.content is None else reader.keys(inner, vocabulary.DEPENDENCY)
                if keys is None or keys.get("required", reader.flag, default=True) or name in services:
                    named[name] = inner
        else:
            named = {reader.text(item): item for item in reader.each(value, lambda item: item)}
        for name, inner in named.items():
            if name not in services:
                reader.refuse(inner, f"there is no service {name!r} in the file")
        return [name for name in named if name in services]

    def _service(self, project: str, name: str, value: Value, declared: Declared) -> ComposeService | None:
        reader = self.reader
        if not _NAME.fullmatch(name):
            reader.refuse(value, f"service {name!r}: {_NAME_RULE}")
            return None
        before = len(reader.findings)
        keys = reader.keys(value, vocabulary.SERVICE)
        if keys is None:
            if len(reader.findings) == before:
                reader.refuse(value, "image is missing", "name the image to run, such as nginx:1.27")
            return None
        image = self._image(keys)
        at = keys.value("deploy")
        deploy = None if at is None else reader.keys(at, vocabulary.DEPLOY)
        policy, placement = Parts(reader, RolloutPolicy), Parts(reader, PlacementRules)
        fields = read_container(reader, keys, declared, self.beside)
        fields["options"] = read_options(reader, keys, deploy)
        fields["resources"] = read_resources(reader, keys, deploy)
        replicas = read_replicas(reader, keys, deploy)
        labels: tuple[tuple[str, str], ...] = ()
        if deploy is not None:
            read_update(reader, deploy, policy)
            read_placement(reader, deploy, placement)
            labels = deploy.items("labels", reader.sorted_pairs)
            modes = {"replicated": "replicated"}
            deploy.find("mode", partial(reader.choice, choices=modes, default="replicated"))
        tower = read_tower(reader, keys.value("x-tower"), policy, placement)
        rules = placement.make(keys.at)
        fencing = self._fencing(keys, tower, rules, policy)
        if not image or len(reader.findings) > before:
            return None
        spec = reader.built(
            value, lambda: ServiceSpec(image=image, route=tower.route, fencing=fencing, **fields)
        )
        service_id = service_id_of(project, name, self.environment)
        if reader.built(value, lambda: _checked(service_id)) is None or spec is None:
            return None
        top = self.loaded.document.content
        configs = top.get("configs") if isinstance(top, dict) else None
        service = ComposeService(
            service_id=service_id,
            name=name,
            spec=spec,
            replicas=replicas if tower.autoscale is None else tower.autoscale.clamped(replicas),
            policy=policy.make(keys.at),
            fencing=fencing,
            placement=rules,
            labels=labels,
            bound=bound_places(value, name, configs, self.loaded.sections),
            autoscale=tower.autoscale,
            watch=tower.watch,
        )
        check_service(reader, keys, spec, replicas, service.policy, rules)
        check_scaling(reader, keys, spec, replicas, tower.autoscale)
        return service

    def _image(self, keys: Keys) -> str:
        reader = self.reader
        at = keys.value("image")
        if at is not None and at.content != "":
            return reader.text(at)
        # Where a variable in it is not set, that is said already.
        is_said = any(finding.path == f"{keys.at.path}.image" for finding in reader.findings)
        if not is_said:
            reader.refuse(keys.at, "image is missing", "name the image to run, such as nginx:1.27")
        return ""

    def _fencing(
        self, keys: Keys, tower: Tower, rules: PlacementRules, policy: Parts[RolloutPolicy]
    ) -> Fencing:
        """What keeps it from running twice; such a service is never updated start-first."""
        fencing = tower.fencing
        if fencing is Fencing.NONE and rules.failover is Failover.RESTART:
            # Its volume may come back with the lost host: two copies would write two histories.
            fencing = Fencing.STRICT
        if fencing is not Fencing.NONE and not policy.has("max_surge"):
            policy.set_all({"max_surge": 0, "max_unavailable": 1}, tower.singleton or keys.at)
        return fencing


def _checked(service_id: ServiceId) -> ServiceId:
    """Environment, project and name each are right; together they may be too long."""
    if len(service_id) > ID_CHARS_MAX:
        raise ValueError(
            f"{service_id} has {len(service_id)} characters, and an id at most {ID_CHARS_MAX}:"
            " give the service or its project a shorter name"
        )
    return service_id
