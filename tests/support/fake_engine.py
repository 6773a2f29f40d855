"""A container engine in memory. It passes the contract suite of the real one (tests/contract).

Containers "run" a few words of shell: `echo TEXT [>&2]`, `sleep N` (until stopped) and `exit N`,
separated by ";". Like a first process without signal handlers, they end by SIGKILL only.
"""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import re
import shlex
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field, replace

from agent.clock import Clock
from agent.docker.inspect import compose_ref
from agent.docker.references import is_image_id, parse_reference
from agent.ports import (
    ConnectedNetwork,
    Container,
    ContainerDetail,
    ContainerNotFound,
    ContainerSpec,
    ContainerState,
    ContainerUsage,
    EngineDiskUsage,
    EngineEvent,
    EngineInfo,
    EngineRefused,
    EngineUnavailable,
    Health,
    Image,
    ImageNotFound,
    LogLine,
    LogStream,
    MadeFrom,
    Mount,
    NameConflict,
    Network,
    PortMapping,
    PortTaken,
    PullProgress,
    PullRefused,
    PullRefusedReason,
    RegistryAuth,
    RemoteImage,
    Volume,
)
from cluster.model.readiness import ImageConfig
from tests.support.fake_clock import FakeClock

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,254}")
_EVENTS_KEPT = 256
_KILLED = 137

REGISTRY = "registry:5000"
"""The registry that answers; names without a registry mean it as well."""


@dataclass(slots=True, kw_only=True)
class _Container:
    id: str
    spec: ContainerSpec
    image: Image
    created_at_ms: int
    state: ContainerState = ContainerState.CREATED
    health: Health = Health.NONE
    exit_code: int = 0
    pid: int = 0
    started_at_ms: int | None = None
    finished_at_ms: int | None = None
    restart_count: int = 0
    address: str = ""
    ports: tuple[PortMapping, ...] = ()
    lines: list[LogLine] = field(default_factory=list)
    changed: asyncio.Event = field(default_factory=asyncio.Event)


class FakeEngine:
    """An `agent.ports.ContainerEngine`; what tests do to it is below the protocol's methods."""

    def __init__(self, clock: Clock | None = None, *, name: str = "fake") -> None:
        self._clock = clock if clock is not None else FakeClock()
        self._name = name
        self._unavailable = ""
        self._numbers = itertools.count(1)
        self._pids = itertools.count(10_000)
        self._containers: dict[str, _Container] = {}
        self._images: dict[str, Image] = {}
        self._registry: dict[str, Image] = {}
        self._volumes: dict[str, Volume] = {}
        self._networks: dict[str, Network] = {}
        self._events: list[EngineEvent] = []
        self._event_added = asyncio.Event()
        self._events_seen = 0
        self.pull_failures: dict[str, EngineRefused] = {}
        self.passwords: dict[tuple[str, str], str] = {}
        self.calls: list[str] = []
        self.logins: list[tuple[str, RegistryAuth | None]] = []
        for name_ in ("bridge", "host", "none"):
            self._add_network(name_, {}, driver={"none": "null"}.get(name_, name_))

    # ---- the protocol -------------------------------------------------------------------------

    async def close(self) -> None:
        return

    async def info(self) -> EngineInfo:
        self._check()
        running = sum(c.state.has_processes for c in self._containers.values())
        return EngineInfo(
            engine_id="FAKE",
            name=self._name,
            version="20.10.24",
            api_version="1.41",
            os="Fake Linux",
            arch="x86_64",
            kernel="6.1",
            cpu_count=2,
            memory_bytes=4 << 30,
            root_dir="/var/lib/docker",
            storage_driver="overlay2",
            cgroup_driver="cgroupfs",
            cgroup_version=1,
            containers_running=running,
            containers_total=len(self._containers),
            images_total=len(self._images),
            swarm_active=False,
            live_restore=False,
        )

    async def containers(self) -> tuple[Container, ...]:
        self._check()
        details = [self._detail(container) for container in self._containers.values()]
        return tuple(sorted((_summary(detail) for detail in details), key=lambda c: (c.name, c.id)))

    async def images(self) -> tuple[Image, ...]:
        self._check()
        by_id = {image.id: image for image in self._images.values()}
        # A list says less of an image than asking for it does.
        return tuple(replace(by_id[image_id], platform="", config=None) for image_id in sorted(by_id))

    async def volumes(self) -> tuple[Volume, ...]:
        self._check()
        return tuple(self._volumes[name] for name in sorted(self._volumes))

    async def networks(self) -> tuple[Network, ...]:
        self._check()
        return tuple(sorted(self._networks.values(), key=lambda n: (n.name, n.id)))

    async def inspect(self, container: str) -> ContainerDetail:
        return self._detail(self._find(container))

    async def made_from(self, container: str) -> MadeFrom:
        found = self._find(container)
        return MadeFrom(spec=found.spec, image_id=found.image.id, image_digests=found.image.digests)

    async def create(self, spec: ContainerSpec) -> str:
        self._check()
        self.calls.append(f"create {spec.name}")
        if not _NAME.fullmatch(spec.name):
            raise EngineRefused(f"{spec.name!r} is not a container name", status=400)
        image = self._local_image(spec.image)
        for existing in self._containers.values():
            if existing.spec.name == spec.name:
                raise NameConflict(f"the name {spec.name} is in use", existing=self._detail(existing))
        for name in spec.networks:
            if all(network.name != name for network in self._networks.values()):
                raise EngineRefused(f"network {name} not found", status=404)
        container = _Container(
            id=_digits(f"container {next(self._numbers)}"),
            spec=spec,
            image=image,
            created_at_ms=self._clock.now_ms(),
            ports=tuple(
                PortMapping(container_port=p.container_port, protocol=p.protocol) for p in spec.ports
            ),
        )
        for mount in spec.mounts:
            if mount.kind == "volume":
                self._add_volume(mount.source or _digits(f"volume {next(self._numbers)}"))
        self._containers[container.id] = container
        self._emit("container", "create", container)
        return container.id

    async def start(self, container: str) -> None:
        found = self._find(container)
        self.calls.append(f"start {found.spec.name}")
        if found.state is ContainerState.RUNNING:
            return
        if found.state is ContainerState.PAUSED:
            raise EngineRefused("cannot start a paused container, try unpause instead", status=500)
        self._bind_ports(found)
        found.state = ContainerState.RUNNING
        found.pid = next(self._pids)
        found.started_at_ms = self._clock.now_ms()
        found.finished_at_ms = None
        found.exit_code = 0
        found.address = f"172.17.0.{2 + len(self._containers)}"
        self._emit("container", "start", found)
        check = found.spec.health_check
        if check is not None and check.test[:1] != ("NONE",):
            found.health = Health.STARTING
            if check.test[-1] == "true":
                self.set_health(found.id, Health.HEALTHY)
        self._run_program(found)

    async def stop(self, container: str, *, grace_s: int | None = None) -> None:
        found = self._find(container)
        self.calls.append(f"stop {found.spec.name}")
        if not found.state.has_processes:
            return
        self._end(found, _KILLED)
        self._emit("container", "stop", found)

    async def restart(self, container: str, *, grace_s: int | None = None) -> None:
        await self.stop(container, grace_s=grace_s)
        await self.start(container)

    async def pause(self, container: str) -> None:
        found = self._find(container)
        if found.state is ContainerState.PAUSED:
            return
        if found.state is not ContainerState.RUNNING:
            raise EngineRefused(f"Container {found.id} is not running", status=409)
        found.state = ContainerState.PAUSED
        self._emit("container", "pause", found)

    async def unpause(self, container: str) -> None:
        found = self._find(container)
        if found.state is not ContainerState.PAUSED:
            return
        found.state = ContainerState.RUNNING
        self._emit("container", "unpause", found)

    async def kill(self, container: str, *, signal: str = "SIGKILL") -> None:
        found = self._find(container)
        if not found.state.has_processes:
            raise EngineRefused(f"Cannot kill container: {found.id} is not running", status=409)
        if re.fullmatch(r"(?:SIG)?[A-Z0-9+-]{1,12}|\d{1,2}", signal) is None:
            raise EngineRefused(f"{signal!r} is not a signal", status=400)
        self._emit("container", "kill", found)
        if signal in ("SIGKILL", "KILL", "9"):
            self._end(found, _KILLED)

    async def remove(self, container: str, *, force: bool = False, volumes: bool = False) -> None:
        try:
            found = self._find(container)
        except ContainerNotFound:
            return
        self.calls.append(f"remove {found.spec.name}")
        if found.state.has_processes:
            if not force:
                raise EngineRefused(f"You cannot remove a running container {found.id}", status=409)
            self._end(found, _KILLED)
        del self._containers[found.id]
        found.changed.set()
        self._emit("container", "destroy", found)

    async def pull(
        self,
        ref: str,
        *,
        auth: RegistryAuth | None = None,
        platform: str = "",
        on_progress: Callable[[PullProgress], None] | None = None,
        timeout_s: float | None = None,
    ) -> Image:
        self._check()
        self.calls.append(f"pull {ref}")
        self.logins.append((ref, auth))
        image = self._in_registry(ref)
        if platform not in ("", image.platform):
            raise PullRefused(
                f"cannot pull {ref}: the image was not built for this host's platform",
                status=404,
                reason=PullRefusedReason.PLATFORM,
            )
        if on_progress is not None:
            on_progress(PullProgress(status="Pulling from registry", layer=image.id[-12:]))
        self._images[str(parse_reference(ref))] = image
        self._emit_named("image", "pull", ref)
        return image

    async def image(self, ref: str) -> Image:
        self._check()
        return self._local_image(ref)

    async def resolve_digest(self, ref: str, *, auth: RegistryAuth | None = None) -> str:
        self._check()
        self.logins.append((ref, auth))
        reference = parse_reference(ref)
        if reference is not None and reference.digest:
            return reference.digest
        return self._in_registry(ref).digests[0].partition("@")[2]

    async def check_login(self, auth: RegistryAuth) -> str:
        self._check()
        if auth.server not in {server for server, _ in self.passwords}:
            raise PullRefused(
                "this host cannot reach the registry", status=500, reason=PullRefusedReason.UNREACHABLE
            )
        if self.passwords.get((auth.server, auth.username)) != auth.password:
            raise PullRefused(
                f"registry {auth.server} refused user {auth.username}",
                status=401,
                reason=PullRefusedReason.AUTH,
            )
        return "Login Succeeded"

    async def remote_image(self, ref: str, *, auth: RegistryAuth | None = None) -> RemoteImage:
        self._check()
        self.logins.append((ref, auth))
        found = self._in_registry(ref)
        platforms = (found.platform,) if found.platform else ()
        return RemoteImage(digest=found.digests[0].partition("@")[2], platforms=platforms)

    async def ensure_network(self, name: str, *, labels: Mapping[str, str]) -> str:
        self._check()
        if not _NAME.fullmatch(name):
            raise EngineRefused(f"{name!r} is not a network name", status=400)
        for network in self._networks.values():
            if network.name == name:
                return network.id
        return self._add_network(name, labels, driver="bridge").id

    async def remove_image(self, image: str) -> None:
        self._check()
        try:
            found = self._local_image(image)
        except ImageNotFound:
            return
        names = sorted(name for name, each in self._images.items() if each.id == found.id)
        by_id = is_image_id(image)
        if by_id and len(names) > 1:
            raise EngineRefused(
                f"unable to delete {image} (must be forced) - image is referenced in multiple repositories",
                status=409,
            )
        if by_id or len(names) == 1:
            for container in self._containers.values():
                if container.image.id == found.id:
                    raise EngineRefused(f"image is being used by container {container.id[:12]}", status=409)
        for name in names if by_id else [str(parse_reference(image))]:
            self._images.pop(name, None)
        for name, each in list(self._images.items()):
            if each.id == found.id:
                self._images[name] = replace(each, tags=tuple(tag for tag in each.tags if tag != image))
        self._emit_named("image", "delete" if by_id or len(names) == 1 else "untag", image)

    async def remove_volume(self, name: str) -> None:
        self._check()
        _check_name(name, "volume")
        for container in self._containers.values():
            if any(mount.kind == "volume" and mount.source == name for mount in container.spec.mounts):
                raise EngineRefused(f"volume is in use - [{container.id}]", status=409)
        if self._volumes.pop(name, None) is not None:
            self._emit_named("volume", "destroy", name)

    async def remove_network(self, network: str) -> None:
        self._check()
        _check_name(network, "network")
        for found in list(self._networks.values()):
            if network not in (found.id, found.name):
                continue
            if found.name in ("bridge", "host", "none"):
                raise EngineRefused(
                    f"{found.name} is a pre-defined network and cannot be removed", status=403
                )
            for container in self._containers.values():
                if found.name in container.spec.networks and container.state.has_processes:
                    raise EngineRefused(f"network {found.name} has active endpoints", status=403)
            del self._networks[found.id]
            self._emit_named("network", "destroy", found.name)

    async def disk_usage(self) -> EngineDiskUsage:
        self._check()
        self.calls.append("disk_usage")
        images = {image.id: image for image in self._images.values()}
        return EngineDiskUsage(
            layers_bytes=sum(image.size_bytes for image in images.values()),
            containers_bytes=0,
            build_cache_bytes=0,
            volumes=dict.fromkeys(self._volumes, 4096),
            shared=dict.fromkeys(images, 0),
        )

    async def logs(
        self,
        container: str,
        *,
        tail: int | None = None,
        since_ms: int | None = None,
        until_ms: int | None = None,
        follow: bool = False,
    ) -> AsyncIterator[LogLine]:
        found = self._find(container)
        held = [line for line in found.lines if _is_between(line, since_ms, until_ms)]
        position = len(found.lines)
        for line in held if tail is None else held[max(0, len(held) - tail) :]:
            yield line
        while follow and (found.state.has_processes or position < len(found.lines)):
            while position < len(found.lines):
                position += 1
                yield found.lines[position - 1]
            if found.state.has_processes:
                await found.changed.wait()
            self._check()

    async def events(self, *, since_ms: int | None = None) -> AsyncIterator[EngineEvent]:
        self._check()
        position = self._events_seen
        if since_ms is not None:
            position -= sum(event.at_ns >= since_ms * 1_000_000 for event in self._events)
        while True:
            while position < self._events_seen:
                index = position - (self._events_seen - len(self._events))
                position += 1
                yield self._events[max(0, index)]
            await self._event_added.wait()
            self._check()

    async def usage(self, container: str) -> ContainerUsage:
        found = self._find(container)
        if not found.state.has_processes:
            return ContainerUsage(cpu_ns=None, memory_bytes=None, memory_limit_bytes=None)
        return ContainerUsage(
            cpu_ns=1_000_000, memory_bytes=1 << 20, memory_limit_bytes=found.spec.memory_limit_bytes, pids=1
        )

    # ---- what tests do to it ------------------------------------------------------------------

    def add_image(self, ref: str, *, labels: Mapping[str, str] | None = None) -> Image:
        """Put an image on the host."""
        image = self._make_image(ref, labels or {}, with_digest=False)
        self._images[str(parse_reference(ref))] = image
        return image

    def publish(self, ref: str, *, labels: Mapping[str, str] | None = None) -> Image:
        """Put an image into the registry, from which it can be pulled."""
        image = self._make_image(ref, labels or {}, with_digest=True)
        self._registry[str(parse_reference(ref))] = image
        return image

    def go_away(self, reason: str = "Docker is not running") -> None:
        """Answer nothing any more; running streams end."""
        self._unavailable = reason
        self._wake_all()

    def come_back(self) -> None:
        """Answer again; containers are as they were."""
        self._unavailable = ""

    def write(self, container: str, text: str, stream: LogStream = LogStream.STDOUT) -> None:
        """Have a container write a line."""
        found = self._find(container)
        found.lines.append(LogLine(stream=stream, text=text, at_ns=self._clock.now_ms() * 1_000_000))
        self._wake(found)

    def set_health(self, container: str, health: Health) -> None:
        """Have a container's health check come to a verdict."""
        found = self._find(container)
        found.health = health
        self._emit("container", "health_status", found, detail=health.value)

    def rename(self, container: str, name: str) -> None:
        """Give a container another name. Raises EngineRefused when that is taken."""
        found = self._find(container)
        if any(each.spec.name == name for each in self._containers.values() if each is not found):
            raise EngineRefused(f"the name {name} is in use", status=409)
        found.spec = replace(found.spec, name=name)
        self._emit("container", "rename", found)

    def crash(self, container: str, *, exit_code: int = 1) -> None:
        """Have a container's first process end by itself."""
        self._end(self._find(container), exit_code)

    # ---- inside -------------------------------------------------------------------------------

    def _check(self) -> None:
        if self._unavailable:
            raise EngineUnavailable(self._unavailable)

    def _find(self, container: str) -> _Container:
        self._check()
        for found in self._containers.values():
            if container in (found.id, found.spec.name):
                return found
        by_start = [each for each in self._containers.values() if each.id.startswith(container)]
        if len(container) >= 4 and len(by_start) == 1:
            return by_start[0]
        raise ContainerNotFound(f"No such container: {container}", status=404)

    def _local_image(self, ref: str) -> Image:
        if is_image_id(ref):
            for image in self._images.values():
                if image.id.removeprefix("sha256:").startswith(ref.removeprefix("sha256:")):
                    return image
        reference = parse_reference(ref)
        if reference is not None and str(reference) in self._images:
            return self._images[str(reference)]
        for image in self._images.values():
            if ref in image.digests:
                return image
        raise ImageNotFound(f"No such image: {ref}", status=404)

    def _in_registry(self, ref: str) -> Image:
        reference = parse_reference(ref)
        if reference is None:
            raise ImageNotFound(f"{ref!r} is not an image reference", status=400)
        if ref in self.pull_failures:
            raise self.pull_failures[ref]
        if reference.registry not in ("docker.io", REGISTRY):
            raise PullRefused(
                f"cannot pull {ref}: this host cannot reach the registry",
                status=500,
                reason=PullRefusedReason.UNREACHABLE,
            )
        wanted = str(reference).removeprefix(f"{REGISTRY}/")
        for known, image in self._registry.items():
            if known == wanted or wanted in image.digests:
                return image
        raise ImageNotFound(f"no image {ref} in the registry", status=404)

    def _make_image(self, ref: str, labels: Mapping[str, str], *, with_digest: bool) -> Image:
        reference = parse_reference(ref)
        assert reference is not None, ref
        digest = f"sha256:{_digits('digest ' + ref)}"
        return Image(
            id=f"sha256:{_digits('image ' + ref)}",
            tags=(str(reference),) if not reference.digest else (),
            digests=(f"{reference.repository}@{digest}",) if with_digest else (),
            size_bytes=1_000_000,
            created_at_ms=self._clock.now_ms(),
            labels=dict(labels),
            platform="linux/amd64",
            config=ImageConfig(command=("serve",), ports=(8080,)),
        )

    def _add_network(self, name: str, labels: Mapping[str, str], *, driver: str) -> Network:
        network = Network(
            id=_digits(f"network {name}"),
            name=name,
            driver=driver,
            scope="local",
            internal=False,
            subnets=("172.17.0.0/16",) if driver == "bridge" else (),
            created_at_ms=self._clock.now_ms(),
            labels=dict(labels),
            compose_project=labels.get("com.docker.compose.project", ""),
        )
        self._networks[network.id] = network
        self._emit_named("network", "create", name)
        return network

    def _add_volume(self, name: str) -> None:
        if name in self._volumes:
            return
        self._volumes[name] = Volume(
            name=name,
            driver="local",
            mountpoint=f"/var/lib/docker/volumes/{name}/_data",
            created_at_ms=self._clock.now_ms(),
            labels={},
        )
        self._emit_named("volume", "create", name)

    def _bind_ports(self, container: _Container) -> None:
        taken = {
            (port.host_port, port.protocol)
            for other in self._containers.values()
            if other is not container and other.state.has_processes
            for port in other.ports
        }
        bound = []
        for port in container.spec.ports:
            number = port.host_port
            if number == 0:
                number = next(n for n in range(32_768, 61_000) if (n, port.protocol) not in taken)
            if number is not None and (number, port.protocol) in taken:
                raise PortTaken(f"port {number} is already in use on this host", status=500, port=number)
            taken.add((number, port.protocol))
            bound.append(
                PortMapping(
                    container_port=port.container_port,
                    protocol=port.protocol,
                    host_ip=port.host_ip or ("0.0.0.0" if number else ""),  # noqa: S104  what Docker shows
                    host_port=number,
                )
            )
        container.ports = tuple(bound)

    def _run_program(self, container: _Container) -> None:
        words = (*(container.spec.entrypoint or ()), *(container.spec.command or ("sleep", "600")))
        script = words[-1] if words[:2] == ("sh", "-c") else shlex.join(words)
        for statement in script.split(";"):
            parts = shlex.split(statement)
            if not parts:
                continue
            if parts[0] == "echo":
                to_error = ">&2" in parts
                text = " ".join(part for part in parts[1:] if part != ">&2")
                self.write(container.id, text, LogStream.STDERR if to_error else LogStream.STDOUT)
            elif parts[0] == "exit":
                self._end(container, int(parts[1]))
                return
            else:
                return
        self._end(container, 0)

    def _end(self, container: _Container, exit_code: int) -> None:
        container.state = ContainerState.EXITED
        container.exit_code = exit_code
        container.pid = 0
        container.finished_at_ms = self._clock.now_ms()
        container.address = ""
        self._emit("container", "die", container)
        self._wake(container)

    def _emit(self, kind: str, action: str, container: _Container, *, detail: str = "") -> None:
        attributes = {**container.spec.labels, "name": container.spec.name, "image": container.spec.image}
        self._append(
            EngineEvent(
                kind=kind,
                action=action,
                id=container.id,
                name=container.spec.name,
                at_ns=self._clock.now_ms() * 1_000_000,
                detail=detail,
                attributes=attributes,
            )
        )

    def _emit_named(self, kind: str, action: str, name: str) -> None:
        at_ns = self._clock.now_ms() * 1_000_000
        self._append(EngineEvent(kind=kind, action=action, id=name, name=name, at_ns=at_ns))

    def _append(self, event: EngineEvent) -> None:
        self._events.append(event)
        del self._events[:-_EVENTS_KEPT]
        self._events_seen += 1
        self._event_added.set()
        self._event_added = asyncio.Event()

    @staticmethod
    def _wake(container: _Container) -> None:
        container.changed.set()
        container.changed = asyncio.Event()

    def _wake_all(self) -> None:
        self._event_added.set()
        self._event_added = asyncio.Event()
        for container in self._containers.values():
            self._wake(container)

    def _detail(self, container: _Container) -> ContainerDetail:
        spec = container.spec
        running = container.state.has_processes
        words = (*(spec.entrypoint or ()), *(spec.command or ()))
        names = list(spec.networks) or [spec.network_mode or "bridge"]
        return ContainerDetail(
            id=container.id,
            name=spec.name,
            image=spec.image,
            image_id=container.image.id,
            command=" ".join(words),
            state=container.state,
            health=container.health if running else Health.NONE,
            status=container.state.value,
            created_at_ms=container.created_at_ms,
            labels={**container.image.labels, **spec.labels},
            ports=container.ports if running else (),
            mounts=tuple(
                Mount(kind=m.kind, target=m.target, source=m.source, read_only=m.read_only)
                for m in sorted(spec.mounts, key=lambda mount: mount.target)
            ),
            networks=tuple(
                ConnectedNetwork(
                    name=name, network_id=_digits(f"network {name}"), ip_address=container.address
                )
                for name in sorted(names)
            ),
            network_mode=spec.network_mode or next(iter(spec.networks), "default"),
            compose=compose_ref(spec.labels),
            pid=container.pid,
            exit_code=container.exit_code,
            oom_killed=False,
            error="",
            started_at_ms=container.started_at_ms,
            finished_at_ms=container.finished_at_ms,
            restart_count=container.restart_count,
            restart_policy=spec.restart_policy,
            tty=False,
            privileged=spec.privileged,
            user=spec.user,
            working_dir=spec.working_dir or "/",
            hostname=spec.hostname or container.id[:12],
            entrypoint=spec.entrypoint or (),
            arguments=spec.command or (),
            environment=dict(spec.environment),
            stop_signal=spec.stop_signal,
            stop_grace_s=spec.stop_grace_s,
            memory_limit_bytes=spec.memory_limit_bytes,
            cpu_limit=spec.cpu_limit,
            pids_limit=spec.pids_limit,
            cgroup_parent="",
            log_driver="json-file",
            platform="linux",
        )


def _check_name(name: str, kind: str) -> None:
    if not _NAME.fullmatch(name):
        raise EngineRefused(f"{name!r} is not a {kind} name", status=404)


def _summary(detail: ContainerDetail) -> Container:
    return Container(**{name: getattr(detail, name) for name in Container.__dataclass_fields__})


def _digits(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _is_between(line: LogLine, since_ms: int | None, until_ms: int | None) -> bool:
    at_ms = (line.at_ns or 0) // 1_000_000
    return (since_ms is None or at_ms >= since_ms) and (until_ms is None or at_ms <= until_ms)
