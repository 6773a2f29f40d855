"""The HAProxy program of this host: found again, validated, started, watched, stopped.

It is started in the foreground as master and worker (`-W -db`) in a session of its own, so that it outlives
an agent that is killed: traffic goes on, and the next run of the agent finds it by the record of its pid and
start time and by its command line, which names our configuration.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import pwd
import re
import signal
import subprocess
from contextlib import suppress
from pathlib import Path

from agent.clock import Clock
from agent.ports import SwitchError
from agent.router.haproxy.files import HaproxyFiles
from agent.router.haproxy.runtime import RuntimeSocket

log = logging.getLogger(__name__)

OLDEST_VERSION = (2, 6)
VALIDATE_TIMEOUT_S = 20.0
START_TIMEOUT_S = 10.0
STOP_TIMEOUT_S = 3.0
LEFT_OVER_DRAIN_S = 5.0
POLL_S = 0.05
LOG_TAIL_BYTES = 8192

_VERSION = re.compile(r"HAProxy version (\d+)\.(\d+)")
_PORT_TAKEN = re.compile(r"cannot bind socket.*Address already in use.*:(\d+)\]")
_PORT_DENIED = re.compile(r"cannot bind socket.*Permission denied.*:(\d+)\]")


class HaproxyUnusable(Exception):
    """HAProxy cannot be run as it should be; the text says why and what to do."""


class HaproxyProcess:
    """The one HAProxy of this host, running or not."""

    def __init__(
        self,
        *,
        files: HaproxyFiles,
        program: str,
        http_port: int,
        https_port: int | None = None,
        runtime: RuntimeSocket,
        clock: Clock,
    ) -> None:
        self._files = files
        self._program = program
        self._settings = {http_port: "haproxy.http_port", https_port: "haproxy.https_port"}
        self._runtime = runtime
        self._clock = clock
        self._pidfd: int | None = None
        self._child_pid: int | None = None
        self._has_ended = asyncio.Event()
        self._killed_because = ""

    @property
    def is_running(self) -> bool:
        return self._pidfd is not None and not self._has_ended.is_set()

    async def check_version(self) -> None:
        """Raises HaproxyUnusable where there is no HAProxy, or one too old."""
        answer = await self._run(self._program, "-v")
        match = _VERSION.search(answer.stdout)
        if match is None:
            raise HaproxyUnusable(f"haproxy.bin = {self._program!r} does not say its version: is it HAProxy?")
        version = (int(match[1]), int(match[2]))
        if version < OLDEST_VERSION:
            raise HaproxyUnusable(
                f"HAProxy {version[0]}.{version[1]} is too old: install {OLDEST_VERSION[0]}."
                f"{OLDEST_VERSION[1]} or newer, or set haproxy.bin to one"
            )

    async def validate(self, config: Path) -> None:
        """Raises HaproxyUnusable with HAProxy's own words when it does not accept the file."""
        answer = await self._run(self._program, "-c", "-f", str(config))
        if answer.returncode != 0:
            raise HaproxyUnusable(f"HAProxy refuses the configuration: {_alerts(answer.stderr)}")

    async def _run(self, *argv: str) -> subprocess.CompletedProcess[str]:
        try:
            process = await asyncio.create_subprocess_exec(
                *argv,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
            )
        except FileNotFoundError as error:
            raise HaproxyUnusable(
                f"haproxy.bin = {self._program!r} is not there: install HAProxy (apt-get install haproxy) or "
                "set haproxy.enabled = false"
            ) from error
        except OSError as error:
            raise HaproxyUnusable(
                f"haproxy.bin = {self._program!r} cannot be run: {error.strerror}"
            ) from error
        try:
            async with asyncio.timeout(VALIDATE_TIMEOUT_S):
                output, errors = await process.communicate()
        except BaseException as error:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()
            if isinstance(error, TimeoutError):
                raise HaproxyUnusable(
                    f"{' '.join(argv)} did not end within {VALIDATE_TIMEOUT_S:g} s"
                ) from error
            raise
        assert process.returncode is not None
        return subprocess.CompletedProcess(
            argv, process.returncode, output.decode("utf-8", "replace"), errors.decode("utf-8", "replace")
        )

    # ---- the life of the master ---------------------------------------------------------------

    async def find(self) -> bool:
        """Take over what an earlier run of the agent left running; end it when it does not answer."""
        pidfd = await asyncio.to_thread(_recorded_process, self._files)
        if pidfd is None:
            return False
        self._watch(pidfd)
        try:
            await self._runtime.workers()
            await self._runtime.present_pid()
        except SwitchError as error:
            log.warning("router.stale_process_ended", extra={"reason": str(error)})
            await self._stop((signal.SIGKILL, STOP_TIMEOUT_S))
            return False
        log.info("router.process_adopted")
        return True

    async def start(self) -> None:
        """Start it with the configuration in place; returns when it answers. Raises HaproxyUnusable."""
        self._killed_because = ""
        # Workers outlive a master that was killed for a moment, and hold the port with SO_REUSEPORT: what
        # they accept would be lost.
        for pid in await asyncio.to_thread(_end_others, self._files):
            log.warning("router.stale_process_ended", extra={"pid": pid})
        output = await asyncio.to_thread(_open_log, self._files.log)
        try:
            self._child_pid = await asyncio.to_thread(_spawn, self._program, self._files, output)
        except OSError as error:
            raise HaproxyUnusable(
                f"haproxy.bin = {self._program!r} cannot be run: {error.strerror}"
            ) from error
        finally:
            os.close(output)
        try:
            self._watch(os.pidfd_open(self._child_pid))
            await asyncio.to_thread(_record, self._files, self._child_pid)
            await self._until_it_answers()
        except BaseException:
            await self.stop(drain_timeout_s=0.0)
            raise

    async def _until_it_answers(self) -> None:
        deadline_s = self._clock.monotonic_s() + START_TIMEOUT_S
        while True:
            if self._has_ended.is_set():
                raise HaproxyUnusable(await self.why_it_ended())
            try:
                workers = await self._runtime.workers()
                if await self._runtime.present_pid() in workers.present:
                    return
            except SwitchError as error:
                if self._clock.monotonic_s() >= deadline_s:
                    raise HaproxyUnusable(f"HAProxy was started, but {error}") from error
            await self._clock.wait(self._has_ended, POLL_S)

    async def ended(self) -> None:
        """Return when the master has ended."""
        await self._has_ended.wait()
        await self._forget()

    async def why_it_ended(self) -> str:
        """What it was killed for, or else what its log says, for people."""
        if self._killed_because:
            return self._killed_because
        text = await asyncio.to_thread(_tail, self._files.log)
        if match := _PORT_TAKEN.search(text):
            setting = self._settings.get(int(match[1]), "haproxy.http_port")
            return (
                f"port {match[1]} is in use by another program on this host: stop that, or set {setting} to "
                "a free one"
            )
        if match := _PORT_DENIED.search(text):
            return f"no permission to listen on port {match[1]}: run the agent as root"
        return f"HAProxy ended: {_alerts(text) or 'it said nothing'}"

    async def stop(self, *, drain_timeout_s: float) -> None:
        """Let it finish what is under way for at most `drain_timeout_s`, then end it."""
        steps = [(signal.SIGTERM, STOP_TIMEOUT_S), (signal.SIGKILL, STOP_TIMEOUT_S)]
        if drain_timeout_s > 0:
            steps.insert(0, (signal.SIGUSR1, drain_timeout_s))
        await self._stop(*steps)

    def kill(self, reason: str) -> None:
        """End the master at once; the next start ends its workers. `reason` is why, for people."""
        self._killed_because = reason
        if self._pidfd is not None:
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)

    async def _stop(self, *steps: tuple[signal.Signals, float]) -> None:
        """Signal one after the other until it has ended, giving each its time in seconds."""
        if self._pidfd is None:
            return
        for number, patience_s in steps:
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._pidfd, number)
            if await self._clock.wait(self._has_ended, patience_s):
                break
        else:
            log.error("router.process_not_ended")
        await self._forget()
        await asyncio.to_thread(_unlink, self._files.process)

    async def release(self) -> None:
        """Let it go on without this agent; the next one finds it."""
        await self._forget()

    async def _forget(self) -> None:
        if self._pidfd is not None:
            asyncio.get_running_loop().remove_reader(self._pidfd)
            os.close(self._pidfd)
            self._pidfd = None
        if self._child_pid is not None and self._has_ended.is_set():
            _collect(self._child_pid)
            self._child_pid = None

    def _watch(self, pidfd: int) -> None:
        """A pidfd becomes readable when the process ends, also one that is not our child."""
        self._pidfd = pidfd
        self._has_ended.clear()
        loop = asyncio.get_running_loop()

        def ended() -> None:
            loop.remove_reader(pidfd)
            self._has_ended.set()

        loop.add_reader(pidfd, ended)

    async def trim_log(self, bytes_max: int) -> None:
        """Empty its log when it has grown beyond `bytes_max`; HAProxy goes on writing to the same file."""
        await asyncio.to_thread(_trim, self._files.log, bytes_max)


async def end_left_over(directory: Path, clock: Clock) -> None:
    """End the HAProxy that an earlier run of the agent left in `directory`, once its requests are done."""
    files = HaproxyFiles(directory)
    if files.problem or not await asyncio.to_thread(files.process.exists):
        return
    process = HaproxyProcess(
        files=files,
        program="",
        http_port=0,
        runtime=RuntimeSocket(files.socket, files.master_socket),
        clock=clock,
    )
    if await process.find():
        log.info("router.stale_process_ended", extra={"reason": "this host has another router now"})
        await process.stop(drain_timeout_s=LEFT_OVER_DRAIN_S)
    await asyncio.to_thread(_end_others, files)


def service_account() -> tuple[int, int] | None:
    """User and group id of the account the package made for HAProxy, if this process may change to it."""
    if os.geteuid() != 0:
        return None
    try:
        account = pwd.getpwnam("haproxy")
    except KeyError:
        return None
    return account.pw_uid, account.pw_gid


def _alerts(text: str) -> str:
    """The errors in what HAProxy printed, on one line."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    alerts = [line for line in lines if line.startswith("[ALERT]")] or lines[-3:]
    words = (re.sub(r"^\[\w+\]\s+\(\d+\)\s*:\s*", "", line) for line in alerts[:4])
    return "; ".join(words)[:600]


def _open_log(path: Path) -> int:
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND | os.O_CLOEXEC, 0o600)


def _tail(path: Path) -> str:
    try:
        data = path.read_bytes()
    except OSError:
        return ""
    return data[-LOG_TAIL_BYTES:].decode("utf-8", "replace")


def _trim(path: Path, bytes_max: int) -> None:
    with suppress(OSError):
        if path.stat().st_size > bytes_max:
            os.truncate(path, 0)


def _unlink(path: Path) -> None:
    with suppress(OSError):
        path.unlink(missing_ok=True)


def _spawn(program: str, files: HaproxyFiles, output: int) -> int:
    """Start HAProxy in a session of its own, and return its pid.

    Not by asyncio or subprocess, whose objects end or accuse a child that outlives them.
    """
    argv = [program, "-W", "-db", "-f", str(files.config), "-S", f"{files.master_socket},mode,600"]
    return os.posix_spawnp(
        program,
        argv,
        os.environ,
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_DUP2, output, 1),
            (os.POSIX_SPAWN_DUP2, output, 2),
        ],
        setsid=True,
        # Python ignores it, and HAProxy expects it not to be.
        setsigdef=[signal.SIGPIPE],
    )


def _collect(pid: int) -> None:
    """Take the exit status of a child that has ended, which nobody needs, so that nothing is left of it."""
    os.waitpid(pid, 0)


def _record(files: HaproxyFiles, pid: int) -> None:
    try:
        record = {"pid": pid, "started_ticks": _started_ticks(pid)}
    except (OSError, IndexError):
        return  # it has ended already
    fresh = files.process.with_suffix(".new")
    fresh.write_text(json.dumps(record))
    fresh.rename(files.process)


def _recorded_process(files: HaproxyFiles) -> int | None:
    """A pidfd of the HAProxy that the record names, if it is still that one."""
    try:
        record = json.loads(files.process.read_text())
        pid, started_ticks = int(record["pid"]), record["started_ticks"]
        pidfd = os.pidfd_open(pid)
    except (OSError, ValueError, KeyError, TypeError):
        return None
    # Looked at only once the descriptor holds on to the process: the number cannot be reused any more.
    try:
        is_same = _started_ticks(pid) == started_ticks
        argv = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except (OSError, ValueError):
        is_same, argv = False, []
    if is_same and str(files.config).encode() in argv:
        return pidfd
    os.close(pidfd)
    return None


def _end_others(files: HaproxyFiles) -> list[int]:
    """End what still runs with our configuration in this process's namespaces; the pids of those."""
    ended = []
    own = _namespaces("self")
    for entry in os.scandir("/proc"):
        if not entry.name.isdecimal():
            continue
        try:
            pidfd = os.pidfd_open(int(entry.name))
        except OSError:
            continue
        try:
            argv = Path(entry.path, "cmdline").read_bytes().split(b"\0")
            # A container or a lab's host may have a HAProxy of the same path that is none of ours.
            is_ours = {b"-S", str(files.config).encode()} <= set(argv)
            if is_ours and _namespaces(entry.name) == own:
                signal.pidfd_send_signal(pidfd, signal.SIGKILL)
                ended.append(int(entry.name))
        except OSError:
            continue
        finally:
            os.close(pidfd)
    return ended


def _namespaces(process: str) -> tuple[str, ...]:
    return tuple(os.readlink(f"/proc/{process}/ns/{kind}") for kind in ("mnt", "pid"))


def _started_ticks(pid: int) -> int:
    """When a process started, in clock ticks since boot (proc(5), field 22 of stat)."""
    text = Path(f"/proc/{pid}/stat").read_text()
    return int(text.rpartition(")")[2].split()[19])
