"""A lab: so many hosts, a bridge between them, and a registry of images."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from ipaddress import IPv4Network
from pathlib import Path

from tower_lab import network, requirements
from tower_lab.errors import LabError
from tower_lab.host import Host, HostStatus, remove_tree
from tower_lab.images import Builder, Image
from tower_lab.plan import (
    DEFAULT_PREFIX,
    MAX_HOSTS,
    REGISTRY,
    ROOT,
    Directories,
    Plan,
    check_prefix,
    choose_subnet,
    host_names,
    host_number,
    parse_subnet,
)
from tower_lab.processes import Identity
from tower_lab.progress import Progress
from tower_lab.registry import RegistryClient, RegistryServer
from tower_lab.state import Cut, Delay, Direction, HostState, LabState, Phase, load, locked, save

_SILENT = Progress(None)
# For what labs share: subnets, and the directories that hold all of theirs.
_SHARED_LOCK = Path("/run/tower-lab.lock")


@dataclass(frozen=True, slots=True, kw_only=True)
class LabStatus:
    """What a lab is doing."""

    prefix: str
    up: bool
    """False when there is no such lab."""
    phase: Phase | None
    subnet: str
    bridge: str
    address: str
    """The machine's own address on the bridge."""
    registry: str
    registry_answers: bool
    hosts: tuple[HostStatus, ...]


class Lab:
    """The lab with one prefix on this machine. Any number of processes may hold one and use it in turn."""

    def __init__(
        self,
        prefix: str = DEFAULT_PREFIX,
        *,
        environ: Mapping[str, str] = os.environ,
        progress: Progress = _SILENT,
        owner: Identity | None = None,
    ) -> None:
        """Nothing is made before `up`. An `owner` is a process after whose end anybody may remove the lab.

        Raises:
            LabError: the prefix, or the directory the environment names, cannot be used.
        """
        self.prefix = prefix
        self.directories = Directories.of(prefix, environ)
        check_prefix(prefix, self.directories)
        self.builder = Builder(self.directories.cache)
        self._progress = progress
        self._owner = owner
        self._hosts: dict[str, Host] = {}

    # What it has.

    @property
    def hosts(self) -> tuple[Host, ...]:
        """Its hosts, by number; none when it is not up."""
        state = self._load()
        if state is None:
            return ()
        return tuple(self._host(state, name) for name in sorted(state.hosts, key=host_number))

    def host(self, name: str) -> Host:
        """The host `name`.

        Raises:
            LabError: the lab is not up, or has no such host.
        """
        state = self._require_state()
        self._require_host(state, name)
        return self._host(state, name)

    @property
    def registry(self) -> RegistryClient:
        """A client of its registry.

        Raises:
            LabError: the lab is not up.
        """
        return RegistryClient(self._plan(self._require_state()).registry_address)

    def start_private_registry(self) -> RegistryClient:
        """Have a registry beside the other that lets nobody in without `registry.PRIVATE_LOGIN`, and return a
        client that has it. It ends with the lab.

        Raises:
            LabError: the lab is not up, or the registry did not come up.
        """
        server = RegistryServer(self._plan(self._require_state()), is_private=True)
        if not server.is_running:
            server.start()
        return server.client

    def address_of(self, name: str) -> str:
        """The address of a host, of `root` (this machine) or of `registry`.

        Raises:
            LabError: the lab is not up, or has no such host.
        """
        state = self._require_state()
        if name not in (ROOT, REGISTRY):
            self._require_host(state, name)
        return str(self._plan(state).address_of(name))

    def status(self) -> LabStatus:
        """What runs now. Takes no lock, so it answers while `up` is at work."""
        state = self._load()
        if state is None:
            return LabStatus(
                prefix=self.prefix,
                up=False,
                phase=None,
                subnet="",
                bridge="",
                address="",
                registry="",
                registry_answers=False,
                hosts=(),
            )
        plan = self._plan(state)
        with _in_parallel(len(state.hosts)) as pool:
            names = sorted(state.hosts, key=host_number)
            hosts = tuple(pool.map(lambda name: self._host(state, name).status(state.hosts[name]), names))
        return LabStatus(
            prefix=self.prefix,
            up=True,
            phase=state.phase,
            subnet=str(plan.subnet),
            bridge=plan.bridge,
            address=str(plan.gateway),
            registry=plan.registry_address,
            registry_answers=RegistryServer(plan).is_running,
            hosts=hosts,
        )

    # Making and removing it.

    def up(
        self, hosts: int = 3, *, live_restore: bool = False, subnet: str | None = None, install: bool = False
    ) -> None:
        """Have `hosts` hosts that run, and the registry with the lab's images.

        What runs already is left alone, what does not run is started, hosts beyond `hosts` are kept. What a
        killed run left half made is removed and made anew.

        Raises:
            RequirementsMissing: this machine lacks something.
            LabError: something did not come up; what did is left, for `up` to go on or `down` to remove.
        """
        names = host_names(hosts)
        if install:
            requirements.install(self.builder, self._progress)
        requirements.check(self.builder)
        with self._locked():
            state = self._begin(subnet, live_restore)
            wanted = {name: replace(state.hosts.get(name, HostState()), powered=True) for name in names}
            state = replace(state, phase=Phase.STARTING, hosts=state.hosts | wanted)
            save(self._state_file, state)
            plan = self._plan(state)
            network.make_bridge(plan)
            self._progress.say(f"bridge {plan.bridge}: this machine is {plan.gateway}")
            powered = [name for name in sorted(state.hosts, key=host_number) if state.hosts[name].powered]
            with _in_parallel(len(powered) + 1) as pool:
                images = pool.submit(self._start_registry, plan)
                started = [pool.submit(self._start_host, state, name) for name in powered]
            for result in (images, *started):
                result.result()
            self._reapply_delays(state)
            save(self._state_file, replace(state, phase=Phase.UP))
        self._progress.say(f"{len(powered)} hosts are up")

    def down(self, *, force: bool = False) -> None:
        """Remove the lab, all that runs in it and all that it stored. Nothing happens when there is none.

        Raises:
            LabError: something could not be removed; or, without `force`, there are interfaces with the lab's
                names and no record of it.
        """
        with self._locked():
            try:
                state = load(self._state_file)
            except LabError:
                if not force:
                    raise
                state = None
            if state is None and not force:
                strangers = network.left_over(self.prefix)
                if strangers:
                    raise LabError(
                        f"no lab {self.prefix!r} is written down in {self.directories.state}, but there are "
                        f"{', '.join(strangers)}; if they are a lab's, remove them: tower lab down --force"
                    )
            if state is not None or force:
                self._remove(state)
            self._lock_file.unlink(missing_ok=True)
            with locked(_SHARED_LOCK):
                _remove_if_empty(self.directories.data.parent, self.directories.state.parent)
                _SHARED_LOCK.unlink()

    # Breaking and mending it.

    def cut(
        self,
        host: str,
        *,
        direction: Direction = Direction.BOTH,
        peers: tuple[str, ...] = (),
        loss_percent: float = 100.0,
    ) -> None:
        """Lose packets of `host` silently, from now on: those it sends, those it is sent, or both.

        `peers` are hosts, `root` (this machine) or `registry`; none is everyone. A later cut of the same peer
        replaces an earlier one. Unix sockets, `exec` and the host's own loopback are not concerned.

        Raises:
            LabError: there is no such host or peer, or the share is none.
        """
        if not 0 < loss_percent <= 100:
            raise LabError(f"loss of {loss_percent:g} %: it must be above 0 and at most 100")
        with self._changing_host(host) as (state, current):
            self._require_peers(state, host, peers)
            named: tuple[str | None, ...] = peers or (None,)
            cuts = [cut for cut in current.cuts if cut.peer not in named]
            cuts += [Cut(direction=direction, peer=peer, loss_percent=loss_percent) for peer in named]
            self._apply_cuts(state, host, tuple(cuts))

    def heal(self, host: str, *, peers: tuple[str, ...] = ()) -> None:
        """Undo the cuts of `host`: those with `peers`, or all. Cuts that other hosts have of it stay.

        Raises:
            LabError: there is no such host or peer.
        """
        with self._changing_host(host) as (state, current):
            self._require_peers(state, host, peers)
            kept = tuple(cut for cut in current.cuts if peers and cut.peer not in peers)
            self._apply_cuts(state, host, kept)

    def link(self, one: str, other: str, *, delay_ms: float, jitter_ms: float = 0.0) -> None:
        """Delay the TCP connections between two hosts, each way, those opened from now on.

        Raises:
            LabError: there is no such host, one has no power, or the numbers make no sense.
        """
        if delay_ms < 0 or jitter_ms < 0:
            raise LabError(
                f"a delay of {delay_ms:g} ms with a jitter of {jitter_ms:g} ms: neither can be below 0"
            )
        self._change_link(
            one, other, lambda peer: (Delay(peer=peer, delay_ms=delay_ms, jitter_ms=jitter_ms),)
        )

    def unlink(self, one: str, other: str) -> None:
        """Undo `link`; connections that were delayed are reset.

        Raises:
            LabError: there is no such host.
        """
        self._change_link(one, other, lambda _: ())

    def reset_connections(self, one: str, other: str) -> None:
        """Reset every TCP connection there is between two hosts, now.

        Raises:
            LabError: there is no such host, or one has no power.
        """
        state = self._require_state()
        for name, peer in ((one, other), (other, one)):
            self._require_host(state, name)
            self._require_peers(state, name, (peer,))
            self._host(state, name).reset_connections(peer)

    def kill(self, host: str, *, power: bool = False) -> None:
        """SIGKILL the Docker daemon of `host`; with `power`, take everything in it away at once, unannounced.

        Raises:
            LabError: there is no such host, or something survived.
        """
        with self._changing_host(host) as (state, current):
            target = self._host(state, host)
            if power:
                save(self._state_file, state.with_host(host, replace(current, powered=False)))
                target.cut_power()
            else:
                target.kill_daemon()

    def start(self, host: str) -> None:
        """Start what does not run of `host`: power, then Docker. Its disk and its faults are as they were.

        Raises:
            LabError: there is no such host, or it did not come up.
        """
        with self._changing_host(host) as (state, current):
            state = state.with_host(host, replace(current, powered=True))
            save(self._state_file, state)
            self._start_host(state, host)
            self._reapply_delays(state, only=host)

    def publish(self, image: Image) -> str:
        """Push an image to the registry and return its digest; hosts pull it by the same name.

        Raises:
            LabError: the lab is not up, or the registry refused.
        """
        return self.registry.publish(image)

    # Parts of the above.

    @property
    def _state_file(self) -> Path:
        return self.directories.state / "lab.json"

    @property
    def _lock_file(self) -> Path:
        return self.directories.state.parent / f".{self.prefix}.lock"

    def _load(self) -> LabState | None:
        return load(self._state_file)

    def _plan(self, state: LabState) -> Plan:
        return Plan(prefix=self.prefix, subnet=state.subnet, directories=self.directories)

    def _host(self, state: LabState, name: str) -> Host:
        """One object per host, because it holds on to the programs it started."""
        held = self._hosts.get(name)
        if held is None or held.endpoint != self._plan(state).host(name):
            held = self._hosts[name] = Host(self._plan(state), name)
        return held

    def _locked(self) -> contextlib.AbstractContextManager[None]:
        if os.geteuid() != 0:
            raise LabError("the lab belongs to root; run this with sudo")
        return locked(self._lock_file)

    @contextlib.contextmanager
    def _changing_host(self, name: str) -> Iterator[tuple[LabState, HostState]]:
        self._require_state()
        with self._locked():
            state = self._require_state()
            self._require_host(state, name)
            yield state, state.hosts[name]

    def _require_state(self) -> LabState:
        state = self._load()
        if state is None:
            raise LabError(f"there is no lab {self.prefix!r}; make one: tower lab up")
        return state

    def _require_host(self, state: LabState, name: str) -> None:
        if name not in state.hosts:
            raise LabError(f"the lab {self.prefix!r} has no host {name!r}; it has {', '.join(state.hosts)}")

    def _require_peers(self, state: LabState, host: str, peers: tuple[str, ...]) -> None:
        for peer in peers:
            if peer == host:
                raise LabError(f"{host} cannot be its own peer")
            if peer not in (ROOT, REGISTRY):
                self._require_host(state, peer)

    def _begin(self, subnet: str | None, live_restore: bool) -> LabState:
        """The state to go on from: of a lab that is up, or a fresh one after everything stale is gone."""
        state = self._load()
        if state is not None and not self._can_go_on(state):
            self._progress.say("removing what is left of an earlier run")
            self._remove(state)
            state = None
        if state is not None:
            if subnet is not None and IPv4Network(subnet) != state.subnet:
                raise LabError(
                    f"--subnet {subnet}: the lab {self.prefix!r} is up on {state.subnet}; "
                    "end it first: tower lab down"
                )
            return replace(state, live_restore=live_restore)
        strangers = network.left_over(self.prefix)
        if strangers:
            raise LabError(
                f"there are {', '.join(strangers)}, which no lab wrote down in {self.directories.state}; "
                "use another --prefix; if they are a lab's, remove them: tower lab down --force"
            )
        remove_tree(self.directories.data)
        # Labs that start at the same moment must not choose the same subnet; the bridge's route takes it.
        with locked(_SHARED_LOCK):
            # Agents keep keys there.
            self.directories.data.mkdir(parents=True, mode=0o700)
            taken = network.networks_in_use()
            chosen = choose_subnet(taken) if subnet is None else parse_subnet(subnet, taken)
            state = LabState(prefix=self.prefix, subnet=chosen, live_restore=live_restore, owner=self._owner)
            save(self._state_file, state)
            network.make_bridge(self._plan(state))
            _SHARED_LOCK.unlink()
        return state

    def _can_go_on(self, state: LabState) -> bool:
        """False after a `down` that was killed, and when the machine was restarted, so that nothing runs."""
        return state.phase is not Phase.REMOVING and network.bridge_exists(self._plan(state).bridge)

    def _start_registry(self, plan: Plan) -> None:
        server = RegistryServer(plan)
        if server.is_running:
            self._progress.say(f"registry {plan.registry_address}: already up")
        else:
            with self._progress.step(f"registry {plan.registry_address}: up"):
                server.start()
        with self._progress.step("images: built and published"):
            for image in self.builder.demo_images():
                server.client.publish(image)

    def _start_host(self, state: LabState, name: str) -> None:
        host = self._host(state, name)
        if host.is_healthy():
            self._progress.say(f"{name} {host.ip}: already up")
            return
        if not host.is_booted():
            with self._progress.step(f"{name} {host.ip}: booted"):
                host.boot(state.hosts[name])
        with self._progress.step(f"{name} {host.ip}: Docker answers on {host.docker_socket}"):
            host.start_daemon(live_restore=state.live_restore)
        host.services.start()

    def _reapply_delays(self, state: LabState, only: str | None = None) -> None:
        for name, host in state.hosts.items():
            if host.powered and host.delays and only in (None, name):
                self._host(state, name).apply_delays(host.delays)

    def _apply_cuts(self, state: LabState, name: str, cuts: tuple[Cut, ...]) -> None:
        save(self._state_file, state.with_host(name, replace(state.hosts[name], cuts=cuts)))
        # A host without power has no packets; it gets its cuts when it boots.
        if self._host(state, name).init is not None:
            self._host(state, name).apply_cuts(cuts)

    def _change_link(self, one: str, other: str, delays: Callable[[str], tuple[Delay, ...]]) -> None:
        host_number(one)
        host_number(other)
        with self._locked():
            state = self._require_state()
            for name, peer in ((one, other), (other, one)):
                self._require_host(state, name)
                self._require_peers(state, name, (peer,))
                kept = tuple(delay for delay in state.hosts[name].delays if delay.peer != peer)
                changed = replace(state.hosts[name], delays=kept + delays(peer))
                state = state.with_host(name, changed)
                save(self._state_file, state)
                if changed.powered:
                    self._host(state, name).apply_delays(changed.delays)

    def _remove(self, state: LabState | None) -> None:
        """Remove everything the lab can have made, whether or not it was."""
        if state is not None:
            save(self._state_file, replace(state, phase=Phase.REMOVING))
        # Without a state only names matter, and those do not depend on the subnet.
        subnet = state.subnet if state is not None else IPv4Network("10.213.0.0/24")
        plan = Plan(prefix=self.prefix, subnet=subnet, directories=self.directories)
        names = set(state.hosts) if state is not None else set()
        names |= {name for name in host_names(MAX_HOSTS) if _has_traces(plan, name)}
        started_s = time.monotonic()
        with _in_parallel(len(names) + 1) as pool:
            removals = [pool.submit(self._host_to_remove(plan, name).destroy) for name in sorted(names)]
            removals.append(pool.submit(RegistryServer(plan).stop))
        for removal in removals:
            removal.result()
        network.remove_bridge(plan)
        self._hosts.clear()
        remove_tree(self.directories.data)
        remove_tree(self.directories.state)
        self._progress.say(
            f"removed {len(names)} hosts, registry and bridge ({time.monotonic() - started_s:.2f} s)"
        )

    def _host_to_remove(self, plan: Plan, name: str) -> Host:
        held = self._hosts.get(name)
        return held if held is not None and held.endpoint == plan.host(name) else Host(plan, name)


def _has_traces(plan: Plan, name: str) -> bool:
    endpoint = plan.host(name)
    link = Path("/sys/class/net") / endpoint.link
    return link.exists() or endpoint.namespace_file.exists() or plan.host_state(name).exists()


def remove_abandoned(
    environ: Mapping[str, str] = os.environ, progress: Progress = _SILENT
) -> tuple[str, ...]:
    """Remove labs whose owner has ended without removing them; the prefixes of those."""
    removed = []
    somewhere = Directories.of("any", environ).state
    pattern = "*/state/lab.json" if somewhere.name == "state" else "*/lab.json"
    root = somewhere.parent.parent if somewhere.name == "state" else somewhere.parent
    for file in sorted(root.glob(pattern)):
        try:
            state = load(file)
        except LabError:
            continue
        if state is not None and state.owner is not None and not state.owner.is_alive:
            Lab(state.prefix, environ=environ, progress=progress).down()
            removed.append(state.prefix)
    return tuple(removed)


def _remove_if_empty(*directories: Path) -> None:
    """What all labs share goes with the last of them."""
    for directory in directories:
        with contextlib.suppress(OSError):
            directory.rmdir()


@contextlib.contextmanager
def _in_parallel(tasks: int) -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(max_workers=max(1, min(tasks, 16))) as pool:
        yield pool
