"""A program that runs in a host, held by the process that started it."""

from __future__ import annotations

import signal
import subprocess
import time
from pathlib import Path

from tower_lab.errors import LabError
from tower_lab.processes import Identity


class HostProcess:
    """A program in a host, with its log.

    It lives in the host: a power cut ends it, and so does `down`. Whoever started it ends it with `stop` or
    `kill`, or waits for it: only that collects its exit status.
    """

    def __init__(
        self,
        *,
        host: str,
        argv: tuple[str, ...],
        identity: Identity,
        entrance: subprocess.Popen[bytes],
        log: Path,
    ) -> None:
        """`entrance` is the nsenter that waits for the program and takes over its exit status."""
        self.host = host
        self.argv = argv
        self.log_path = log
        self._identity = identity
        self._entrance = entrance

    @property
    def pid(self) -> int:
        """Its pid as the machine counts; the host counts its own."""
        return self._identity.pid

    @property
    def is_running(self) -> bool:
        """True until it has ended."""
        return self.returncode is None

    @property
    def returncode(self) -> int | None:
        """Its exit status; minus the number of the signal that ended it; None while it runs."""
        return self._entrance.poll()

    def signal(self, number: int) -> None:
        """Send a signal; nothing happens when it has ended."""
        self._identity.signal(number)

    def kill(self) -> None:
        """SIGKILL, and wait until it is gone."""
        self._identity.signal(signal.SIGKILL)
        # A paused entrance does not see that its child has ended.
        self._resume_entrance()
        self.wait(timeout_s=10)

    def stop(self, timeout_s: float = 10.0) -> int:
        """SIGTERM, then SIGKILL after `timeout_s`; its exit status."""
        self.resume()
        self._identity.signal(signal.SIGTERM)
        try:
            return self.wait(timeout_s=timeout_s)
        except LabError:
            self.kill()
            return self.wait(timeout_s=10)

    def pause(self) -> None:
        """SIGSTOP: it hangs, with its connections open, until `resume`."""
        self._identity.signal(signal.SIGSTOP)

    def resume(self) -> None:
        """SIGCONT."""
        self._identity.signal(signal.SIGCONT)
        self._resume_entrance()

    def wait(self, *, timeout_s: float) -> int:
        """Wait for its end and return its exit status.

        Raises:
            LabError: it still runs after `timeout_s`.
        """
        try:
            return self._entrance.wait(timeout_s)
        except subprocess.TimeoutExpired as error:
            raise LabError(f"{self.host}: {self.argv[0]} still runs after {timeout_s:g} s") from error

    def log(self) -> str:
        """All it has printed so far."""
        return self.log_path.read_text(errors="replace")

    def wait_for_log(self, text: str, *, timeout_s: float) -> str:
        """Wait until its log holds `text`, and return the log.

        Raises:
            LabError: it ended, or the time did, without that; the message holds the end of the log.
        """
        deadline_s = time.monotonic() + timeout_s
        while text not in (log := self.log()):
            if not self.is_running or time.monotonic() > deadline_s:
                ended = f"ended with {self.returncode}" if not self.is_running else f"ran {timeout_s:g} s"
                raise LabError(
                    f"{self.host}: {self.argv[0]} {ended} and never printed {text!r}:\n{log[-2000:]}"
                )
            time.sleep(0.02)
        return log

    def _resume_entrance(self) -> None:
        # nsenter stops itself when its child is stopped, and says so to nobody.
        if self._entrance.poll() is None:
            self._entrance.send_signal(signal.SIGCONT)
