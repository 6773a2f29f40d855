"""One host of a lab: what it is made of, how it is started, entered, and killed."""

from __future__ import annotations

import contextlib
import hashlib
import ipaddress
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from tower_lab import faults, network, processes
from tower_lab.engine import Engine
from tower_lab.errors import LabError
from tower_lab.plan import REGISTRY, REGISTRY_PORT, Endpoint, Plan, host_number
from tower_lab.processes import (
    Identity,
    command_line,
    identify,
    in_namespace,
    kill_all,
    only_child,
    parent,
    proportional_bytes,
    read_record,
    wait_until,
)
from tower_lab.programs import run, tail, tool_environment
from tower_lab.services import Services
from tower_lab.spawned import HostProcess
from tower_lab.state import Cut, Delay, HostState

BOOT_TIMEOUT_S = 15.0
DAEMON_TIMEOUT_S = 60.0
_HOST_INIT = Path(__file__).resolve().parent / "host-init.sh"
_LINK_PROXY = Path(__file__).resolve().parent / "link_proxy.py"
# What host-init.sh makes of these: /var/lib/control-tower, /etc/control-tower, /var/lib/docker, /etc/docker.
_AGENT_DIRECTORIES = ("agent", "agent-etc")
_DISK_DIRECTORIES = (*_AGENT_DIRECTORIES, "docker", "docker-etc")
# Goes to the wanted directory, waits for the word that its pid has been noted, and becomes the program.
_HELD_START = 'cd "$1" 2>/dev/null || cd /; shift; read -r _ && exec "$@" </dev/null'
_START = 'cd "$1" 2>/dev/null || cd /; shift; exec "$@"'
_CGROUPS = Path("/sys/fs/cgroup")


@dataclass(frozen=True, slots=True, kw_only=True)
class HostStatus:
    """What one host is doing."""

    name: str
    address: str
    power: bool
    docker: bool
    """The daemon answers."""
    docker_socket: str
    cuts: tuple[Cut, ...]
    delays: tuple[Delay, ...]
    daemon_memory_bytes: int
    """Of dockerd and its containerd, shared pages counted by their share."""
    processes: int


class Host:
    """One host. What runs is asked of the machine each time, so any process can hold one of these."""

    def __init__(self, plan: Plan, name: str) -> None:
        """Nothing is started.

        Raises:
            LabError: no host can have that name.
        """
        self._plan = plan
        self.name = name
        self.endpoint: Endpoint = plan.host(name)
        self._state = plan.host_state(name)
        self._data = plan.host_data(name)
        self._spawned: list[HostProcess] = []
        self.services = Services(
            self._state / "services",
            launch=lambda argv, log: self._detach([*self._entrance(), "setsid", "--fork", *argv], log),
            init_pid=lambda: None if (init := self.init) is None else init.pid,
        )

    # What others need to know of it.

    @property
    def ip(self) -> str:
        """Its address on the lab's bridge."""
        return str(self.address)

    @property
    def address(self) -> ipaddress.IPv4Address:
        """Its address on the lab's bridge."""
        return self.endpoint.address

    @property
    def docker_socket(self) -> Path:
        """Its Docker socket as this machine sees it. In the host it is /run/docker.sock, Docker's default."""
        return self._plan.docker_socket(self.name)

    @property
    def docker_host(self) -> str:
        """Value for DOCKER_HOST outside the host."""
        return f"unix://{self.docker_socket}"

    @property
    def engine(self) -> Engine:
        """A client of its Docker daemon."""
        return Engine(self.docker_socket)

    @property
    def machine_id(self) -> str:
        """Its /etc/machine-id (machine-id(5)): the same at every boot, another for every host."""
        return hashlib.md5(f"{self._state}".encode(), usedforsecurity=False).hexdigest()

    @property
    def daemon_log(self) -> Path:
        """The log of its Docker daemon."""
        return self._state / "dockerd.log"

    @property
    def run_directory(self) -> Path:
        """Its /run as this machine sees it."""
        return self._state / "run"

    @property
    def data_directory(self) -> Path:
        """Its disk as this machine sees it.

        `agent` and `agent-etc` are the host's /var/lib/control-tower and /etc/control-tower, `docker` and
        `docker-etc` its /var/lib/docker and /etc/docker.
        """
        return self._data

    @property
    def cgroup_parent(self) -> str:
        """The control group of its containers, below each hierarchy's root."""
        return self.endpoint.namespace

    @property
    def init(self) -> Identity | None:
        """The first process of the host while it has power, else None."""
        found = read_record(self._state / "init.pid")
        if found is None or not found.is_alive:
            return None
        # The record outlives a restart of the machine when TOWER_LAB_DIR is on disk; the arguments tell.
        return found if str(self._state) in command_line(found.pid) else None

    @property
    def daemon(self) -> Identity | None:
        """Its dockerd while that runs, else None."""
        init = self.init
        if init is None:
            return None
        for pid in in_namespace("pid", Path(f"/proc/{init.pid}/ns/pid")):
            # The daemon also runs short-lived children of its own program.
            if processes.name(pid) == "dockerd" and parent(pid) == init.pid:
                return identify(pid)
        return None

    def status(self, state: HostState) -> HostStatus:
        """What it is doing; `state` is what it is meant to be."""
        init = self.init
        pids = in_namespace("pid", Path(f"/proc/{init.pid}/ns/pid")) if init is not None else []
        daemons = [pid for pid in pids if processes.name(pid) in ("dockerd", "containerd")]
        return HostStatus(
            name=self.name,
            address=self.ip,
            power=init is not None,
            docker=init is not None and self.engine.answers(),
            docker_socket=str(self.docker_socket),
            cuts=state.cuts,
            delays=state.delays,
            daemon_memory_bytes=sum(proportional_bytes(pid) for pid in daemons),
            processes=len(pids),
        )

    # Power.

    def is_healthy(self) -> bool:
        """True when it has booted and its Docker daemon answers."""
        return self.is_booted() and self.engine.answers()

    def is_booted(self) -> bool:
        """True when it has power, has finished booting, and has a link that is up."""
        return self.init is not None and self._ready.exists() and network.is_attached(self.endpoint)

    def boot(self, state: HostState) -> None:
        """Give it power: network, namespaces, first process. What ran under its name is ended, its disk kept.

        Raises:
            LabError: it did not come up; the message ends with its log.
        """
        network.attach(self.endpoint)
        self._remove_cgroups()
        network_file = f"--net={self.endpoint.namespace_file}"
        run(["nsenter", network_file, "iptables-restore", "-w", "--noflush"], stdin=faults.render_chains())
        self.apply_cuts(state.cuts)
        for directory in _DISK_DIRECTORIES:
            (self._data / directory).mkdir(parents=True, exist_ok=True)
        shutil.rmtree(self.run_directory, ignore_errors=True)
        self.run_directory.mkdir(parents=True)
        (self._state / "hosts").write_text(self._plan.hosts_file())
        (self._state / "init.pid").unlink(missing_ok=True)
        namespaces = [
            "unshare",
            "--mount",
            "--uts",
            "--pid",
            "--fork",
            "--kill-child",
            "--propagation",
            "private",
        ]
        arguments = [self.name, self.machine_id, str(self._state), str(self._data)]
        init = ["/bin/sh", str(_HOST_INIT), *arguments]
        log = self._state / "boot.log"
        self._detach(["nsenter", network_file, "--", "setsid", "--fork", *namespaces, "--", *init], log)
        if not wait_until(self._ready.exists, timeout_s=BOOT_TIMEOUT_S):
            raise LabError(
                f"{self.name} did not boot within {BOOT_TIMEOUT_S:g} s; the end of {log}:\n{tail(log)}"
            )
        if not wait_until(lambda: self.init is not None, timeout_s=BOOT_TIMEOUT_S):
            raise LabError(f"{self.name} booted and ended at once; the end of {log}:\n{tail(log)}")

    def start_daemon(self, *, live_restore: bool) -> None:
        """Start its Docker daemon and wait until it answers; nothing changes when it runs.

        Raises:
            LabError: it ended, or did not answer in time; the message ends with its log.
        """
        if self.daemon is None:
            self.docker_socket.unlink(missing_ok=True)
            self._detach(
                [*self._entrance(), "setsid", "--fork", *self._daemon_argv(live_restore)], self.daemon_log
            )
        deadline_s = time.monotonic() + DAEMON_TIMEOUT_S
        started_s = time.monotonic()
        while not self.engine.answers():
            late_s = time.monotonic() - started_s
            if late_s > 1.0 and self.daemon is None:
                raise LabError(
                    f"{self.name}: dockerd ended; the end of {self.daemon_log}:\n{tail(self.daemon_log)}"
                )
            if time.monotonic() > deadline_s:
                raise LabError(
                    f"{self.name}: dockerd did not answer within {DAEMON_TIMEOUT_S:g} s; "
                    f"the end of {self.daemon_log}:\n{tail(self.daemon_log)}"
                )
            time.sleep(0.02)

    def kill_daemon(self) -> bool:
        """SIGKILL its Docker daemon; containers go on. False when none ran."""
        daemon = self.daemon
        if daemon is None:
            return False
        daemon.signal(signal.SIGKILL)
        if not wait_until(lambda: not daemon.is_alive, timeout_s=10):
            raise LabError(f"{self.name}: dockerd (pid {daemon.pid}) is still there 10 s after SIGKILL")
        return True

    def cut_power(self) -> bool:
        """End everything in it at once, as a power cut does: no peer is told. False when it was off."""
        init = self.init
        # The link goes first, or the kernel would close connections politely on behalf of the dead.
        network.unplug(self.endpoint)
        if init is None:
            return False
        init.signal(signal.SIGKILL)
        self._thaw()
        kill_all(
            lambda: in_namespace("net", self.endpoint.namespace_file),
            f"{self.name}: processes after the power cut",
        )
        for process in self._spawned:
            process.wait(timeout_s=10)
        self._spawned.clear()
        return True

    def destroy(self) -> None:
        """End everything in it and remove all that it was made of."""
        self.cut_power()
        network.detach(self.endpoint)
        self._remove_cgroups()
        remove_tree(self._state)
        remove_tree(self._data)

    # Faults.

    def apply_cuts(self, cuts: tuple[Cut, ...]) -> None:
        """Make these the cuts of this host, in one step per direction."""
        self._restore(faults.render_cuts(cuts, self._plan))

    def apply_delays(self, delays: tuple[Delay, ...]) -> None:
        """Make these the delays of the TCP connections this host opens from now on."""
        kept = {delay.peer for delay in delays}
        ports = {delay.peer: faults.proxy_port(host_number(delay.peer)) for delay in delays}
        running = self._proxies()
        for delay in delays:
            settings = self.run_directory / ".lab" / f"link-{delay.peer}.json"
            fresh = settings.with_suffix(".new")
            fresh.write_text(f'{{"delay_ms": {delay.delay_ms}, "jitter_ms": {delay.jitter_ms}}}')
            fresh.rename(settings)
            if delay.peer in running:
                running[delay.peer].signal(signal.SIGHUP)
            else:
                self._start_proxy(delay.peer, ports[delay.peer])
        # Connections are sent to proxies only once those listen, and not any more before they end.
        self._restore(faults.render_delays(delays, self._plan, ports))
        for peer, proxy in running.items():
            if peer not in kept:
                proxy.signal(signal.SIGKILL)

    def reset_connections(self, peer: str) -> None:
        """Reset every TCP connection between this host and `peer`, also those through a link's proxy.

        Direct ones need a kernel with INET_DIAG_DESTROY, as Debian's and Ubuntu's are.
        """
        proxy = self._proxies().get(peer)
        if proxy is not None:
            proxy.signal(signal.SIGUSR1)
        address = str(self._plan.address_of(peer))
        run(["nsenter", f"--net={self.endpoint.namespace_file}", "ss", "-K", "-t", "-H", "dst", address])

    # Programs.

    def exec(
        self,
        argv: Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        timeout_s: float = 60.0,
        input: str = "",
    ) -> subprocess.CompletedProcess[str]:
        """Run a program in the host and return how it ended, with what it printed.

        Raises:
            LabError: the host has no power, or the program did not end in `timeout_s` (it is then killed).
        """
        process = self._popen(argv, env, subprocess.PIPE, subprocess.PIPE, subprocess.PIPE, _START)
        try:
            output, errors = process.communicate(input.encode(), timeout=timeout_s)
        except subprocess.TimeoutExpired as error:
            child = only_child(process.pid)
            found = identify(child) if child is not None else None
            if found is not None:
                found.signal(signal.SIGKILL)
            process.kill()
            process.communicate()
            raise LabError(f"{self.name}: {' '.join(argv)}: did not end within {timeout_s:g} s") from error
        return subprocess.CompletedProcess(
            list(argv), process.returncode, output.decode(errors="replace"), errors.decode(errors="replace")
        )

    def spawn(
        self, argv: Sequence[str], env: Mapping[str, str] | None = None, log_path: Path | None = None
    ) -> HostProcess:
        """Start a program in the host and return a handle on it. It goes on when this process ends.

        `env` is added to this process's environment, less what that says of Docker and of the lab. What the
        program prints is appended to `log_path` (a file of this machine; by default one in the lab's state).

        Raises:
            LabError: the host has no power, or the program could not be started.
        """
        log = log_path if log_path is not None else self._state / f"{Path(argv[0]).name}.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as output:
            entrance = self._popen(argv, env, subprocess.PIPE, output, output, _HELD_START)
        child: list[int] = []

        def child_is_there() -> bool:
            found = only_child(entrance.pid)
            if found is not None:
                child.append(found)
            return found is not None or entrance.poll() is not None

        wait_until(child_is_there, timeout_s=10, poll_s=0.002)
        identity = identify(child[0]) if child else None
        if identity is None or entrance.stdin is None:
            entrance.kill()
            entrance.communicate()
            raise LabError(f"{self.name}: {argv[0]} could not be started; the end of {log}:\n{tail(log)}")
        # Only now does it become the program, so that even one that ends at once has been seen.
        entrance.stdin.write(b"\n")
        entrance.stdin.close()
        process = HostProcess(host=self.name, argv=tuple(argv), identity=identity, entrance=entrance, log=log)
        self._spawned = [each for each in self._spawned if each.is_running]
        self._spawned.append(process)
        return process

    def clear_agent_directories(self) -> None:
        """Empty /etc/control-tower and /var/lib/control-tower of the host."""
        for directory in _AGENT_DIRECTORIES:
            for entry in (self._data / directory).iterdir():
                remove_tree(entry) if entry.is_dir() and not entry.is_symlink() else entry.unlink()

    def end_programs(self) -> None:
        """Kill what `spawn` of this object started and still runs."""
        for process in self._spawned:
            process.kill()
        self._spawned.clear()

    def replace_this_process(self, argv: Sequence[str]) -> None:
        """Become a program in the host, with this process's terminal. Returns only by raising.

        Raises:
            LabError: the host has no power.
        """
        command = [*self._entrance(), "/bin/sh", "-c", _START, "tower-lab", os.getcwd(), *argv]
        os.execvpe(command[0], command, self._environment(None))  # noqa: S606 - a shell could not hand on the terminal

    # Parts.

    @property
    def _ready(self) -> Path:
        return self.run_directory / ".lab" / "ready"

    def _popen(
        self,
        argv: Sequence[str],
        env: Mapping[str, str] | None,
        stdin: int,
        stdout: int | IO[bytes],
        stderr: int | IO[bytes],
        script: str,
    ) -> subprocess.Popen[bytes]:
        command = [*self._entrance(), "/bin/sh", "-c", script, "tower-lab", os.getcwd(), *argv]
        return subprocess.Popen(
            command,
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            env=self._environment(env),
            start_new_session=True,
        )

    def _entrance(self) -> list[str]:
        init = self.init
        if init is None:
            raise LabError(f"{self.name} has no power; start it: tower lab start {self.name}")
        return ["nsenter", "--target", str(init.pid), "--mount", "--uts", "--net", "--pid", "--"]

    def _environment(self, env: Mapping[str, str] | None) -> dict[str, str]:
        inherited = {
            key: value for key, value in os.environ.items() if not key.startswith(("DOCKER_", "TOWER_LAB_"))
        }
        return inherited | {"PATH": tool_environment()["PATH"], "HOSTNAME": self.name} | dict(env or {})

    def _detach(self, command: list[str], log: Path) -> None:
        """Run a command that leaves a daemon behind."""
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as output:
            try:
                subprocess.run(
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    env=tool_environment(),
                    timeout=BOOT_TIMEOUT_S,
                    check=True,
                )
            except (OSError, subprocess.SubprocessError) as error:
                raise LabError(f"{self.name}: {error}; the end of {log}:\n{tail(log)}") from error

    def _daemon_argv(self, live_restore: bool) -> list[str]:
        registry = self._plan.registry_address
        argv = ["dockerd", "--config-file", "/run/.lab/daemon.json"]
        # A configuration file of the machine's own daemon must not reach this one.
        (self.run_directory / ".lab" / "daemon.json").write_text("{}")
        argv += ["--host", "unix:///run/docker.sock", "--group", "root", "--log-level", "warn"]
        argv += [
            "--data-root",
            "/var/lib/docker",
            "--exec-root",
            "/run/docker",
            "--pidfile",
            "/run/docker.pid",
        ]
        argv += ["--exec-opt", "native.cgroupdriver=cgroupfs", "--cgroup-parent", f"/{self.cgroup_parent}"]
        # The registry stands in for the public one, so `demo/web:1` needs no address; it has a name, too.
        argv += ["--registry-mirror", f"http://{registry}", "--insecure-registry", registry]
        argv += ["--insecure-registry", f"{REGISTRY}:{REGISTRY_PORT}", "--dns", str(self._plan.gateway)]
        argv += ["--insecure-registry", self._plan.private_registry_address]
        return [*argv, "--live-restore"] if live_restore else argv

    def _restore(self, rules: str) -> None:
        namespace = f"--net={self.endpoint.namespace_file}"
        run(["nsenter", namespace, "iptables-restore", "-w", "--noflush"], stdin=rules)

    def _proxies(self) -> dict[str, Identity]:
        """The proxies of its links, by peer."""
        init = self.init
        if init is None:
            return {}
        found = {}
        for pid in in_namespace("pid", Path(f"/proc/{init.pid}/ns/pid")):
            words = command_line(pid)
            if str(_LINK_PROXY) in words:
                identity = identify(pid)
                if identity is not None:
                    found[Path(words[words.index(str(_LINK_PROXY)) + 1]).stem.removeprefix("link-")] = (
                        identity
                    )
        return found

    def _start_proxy(self, peer: str, port: int) -> None:
        settings = f"/run/.lab/link-{peer}.json"
        numbers = [str(port), str(faults.PROXY_MARK), str(host_number(self.name) * 100 + host_number(peer))]
        argv = [sys.executable, str(_LINK_PROXY), settings, *numbers]
        log = self._state / f"link-{peer}.log"
        self._detach([*self._entrance(), "setsid", "--fork", *argv], log)

        def listens() -> bool:
            shown = run(
                [
                    "nsenter",
                    f"--net={self.endpoint.namespace_file}",
                    "ss",
                    "-H",
                    "-l",
                    "-t",
                    "-n",
                    "sport",
                    str(port),
                ]
            )
            return bool(shown.strip())

        if not wait_until(listens, timeout_s=10, poll_s=0.03):
            raise LabError(
                f"{self.name}: the proxy of the link to {peer} did not start; the end of {log}:\n{tail(log)}"
            )

    def _thaw(self) -> None:
        """Let paused containers go on: what is frozen does not die."""
        # cgroup v1 and v2 (Documentation/admin-guide/cgroup-v1/freezer-subsystem.rst, cgroup-v2.rst).
        for root, file, word in (
            (_CGROUPS / "freezer", "freezer.state", "THAWED"),
            (_CGROUPS, "cgroup.freeze", "0"),
        ):
            for switch in (root / self.cgroup_parent).rglob(file):
                # One that ends meanwhile takes its group with it.
                with contextlib.suppress(OSError):
                    switch.write_text(word)

    def _remove_cgroups(self) -> None:
        """Remove the control groups of containers that a power cut left behind."""
        for root in {_CGROUPS, *_CGROUPS.glob("*/")}:
            own = root / self.cgroup_parent
            if not own.is_dir():
                continue
            for directory, _, _ in os.walk(own, topdown=False):
                path = Path(directory)

                def is_removed(path: Path = path) -> bool:
                    try:
                        path.rmdir()
                    except FileNotFoundError:
                        return True
                    except OSError:
                        return False
                    return True

                # A group is busy until the last of its processes has been reaped.
                if not wait_until(is_removed, timeout_s=5):
                    raise LabError(
                        f"{self.name}: the control group {path} cannot be removed: it still has processes"
                    )


def remove_tree(path: Path) -> None:
    """Remove a directory and what is in it; nothing happens when it is not there.

    Raises:
        LabError: some of it could not be removed.
    """
    try:
        shutil.rmtree(path)
    except FileNotFoundError:
        return
    except OSError as error:
        raise LabError(f"{path}: cannot be removed: {error}") from error
