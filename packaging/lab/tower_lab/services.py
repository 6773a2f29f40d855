"""Programs a host starts at boot and starts again when they end: what a service manager does."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from tower_lab.errors import LabError
from tower_lab.processes import Identity, command_line, identify, in_namespace, parent, wait_until

STOP_TIMEOUT_S = 10.0
_MARK = "lab-service"
# As systemd's Restart=always with RestartSec=1. The arguments after `sh` name it to whoever lists processes.
_KEEP_RUNNING = 'shift; while :; do "$@" </dev/null; sleep 1; done'


class Services:
    """The services of one host. `directory` keeps them over a power cut.

    `launch` starts a command in the host that goes on by itself, with a log; `init_pid` is the host's first
    process, None without power.
    """

    def __init__(
        self,
        directory: Path,
        *,
        launch: Callable[[list[str], Path], None],
        init_pid: Callable[[], int | None],
    ) -> None:
        self._directory = directory
        self._launch = launch
        self._init_pid = init_pid

    def enable(
        self, name: str, argv: Sequence[str], *, env: Mapping[str, str], directory: Path, log: Path
    ) -> None:
        """Have the host run `argv` in `directory` from now on and at boot; nothing changes when it does.

        `env` is no place for secrets: it is kept in a file, and whoever may list processes sees it.
        """
        self._directory.mkdir(parents=True, exist_ok=True)
        words = ["env", "--chdir", str(directory), *(f"{key}={value}" for key, value in env.items()), *argv]
        fresh = self._directory / f"{name}.new"
        fresh.write_text(json.dumps({"argv": words, "log": str(log)}))
        fresh.rename(self._directory / f"{name}.json")
        self.start()

    def start(self) -> None:
        """Start what is enabled and does not run."""
        for unit in self._units():
            if self._keeper(unit.stem) is None:
                settings = json.loads(unit.read_text())
                command = ["/bin/sh", "-c", _KEEP_RUNNING, _MARK, unit.stem, *settings["argv"]]
                self._launch(command, Path(settings["log"]))

    def main_process(self, name: str) -> Identity | None:
        """The program of a service while it runs: between two starts of it there is none."""
        keeper = self._keeper(name)
        if keeper is None:
            return None
        for pid in self._pids():
            if parent(pid) == keeper.pid and command_line(pid)[:1] != ("sleep",):
                return identify(pid)
        return None

    def disable(self) -> None:
        """End every service and start none again.

        Raises:
            LabError: one still runs after SIGKILL.
        """
        for unit in self._units():
            keeper, program = self._keeper(unit.stem), self.main_process(unit.stem)
            unit.unlink()
            # The keeper first, or it would start the program again.
            for each in (keeper, program):
                if each is not None and not _end(each):
                    raise LabError(f"service {unit.stem} is still there {STOP_TIMEOUT_S:g} s after SIGKILL")

    def _units(self) -> list[Path]:
        return sorted(self._directory.glob("*.json")) if self._directory.is_dir() else []

    def _pids(self) -> list[int]:
        init = self._init_pid()
        return [] if init is None else list(in_namespace("pid", Path(f"/proc/{init}/ns/pid")))

    def _keeper(self, name: str) -> Identity | None:
        for pid in self._pids():
            # Its child has the same arguments until it becomes the program, and another parent.
            if command_line(pid)[3:5] == (_MARK, name) and parent(pid) == self._init_pid():
                return identify(pid)
        return None


def _end(process: Identity) -> bool:
    process.signal(signal.SIGKILL)
    return wait_until(lambda: not process.is_alive, timeout_s=STOP_TIMEOUT_S)
