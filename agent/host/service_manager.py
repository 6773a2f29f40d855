"""Tell systemd how the service fares: sd_notify(3), the datagrams of `Type=notify`."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Mapping

_ASK_TIMEOUT_S = 1.0


class ServiceManager:
    """Sends notifications to the socket systemd names; does nothing where nobody listens.

    A notification never blocks and never fails the caller: a service manager that went away
    is no reason for the agent to stop.
    """

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        path = environment.get("NOTIFY_SOCKET", "")
        # "@" stands for the zero byte of an abstract name.
        self._address = f"\0{path[1:]}" if path.startswith("@") else path
        self._watchdog_us = environment.get("WATCHDOG_USEC", "")
        self._watchdog_pid = environment.get("WATCHDOG_PID", "")

    @property
    def is_present(self) -> bool:
        """Whether a service manager listens."""
        return bool(self._address)

    @property
    def watchdog_interval_s(self) -> float | None:
        """How often `alive` must be called, half of systemd's limit; None when it does not watch."""
        if not self._watchdog_us.isdigit() or self._watchdog_pid not in ("", str(os.getpid())):
            return None
        return int(self._watchdog_us) / 2_000_000 or None

    def ready(self, status: str) -> None:
        """The service has started; `status` is shown by `systemctl status`."""
        self._send(f"READY=1\nSTATUS={_one_line(status)}")

    def status(self, status: str) -> None:
        """Show `status` in `systemctl status`."""
        self._send(f"STATUS={_one_line(status)}")

    def stopping(self) -> None:
        """The service is on its way down."""
        self._send("STOPPING=1")

    def extend_timeout(self, seconds: float) -> None:
        """Starting or stopping goes on for up to `seconds` more."""
        self._send(f"EXTEND_TIMEOUT_USEC={round(seconds * 1_000_000)}")

    def alive(self) -> None:
        """The event loop turns: keep the watchdog from restarting the service."""
        self._send("WATCHDOG=1")

    async def is_host_stopping(self) -> bool:
        """Whether the whole host is being shut down, and not only this service. Unknown is no."""
        if not self.is_present:
            return False
        try:
            asking = await asyncio.create_subprocess_exec(
                "systemctl",
                "is-system-running",
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.DEVNULL,
            )
        except OSError:
            return False
        try:
            async with asyncio.timeout(_ASK_TIMEOUT_S):
                said, _ = await asking.communicate()
        except TimeoutError:
            asking.kill()
            await asking.wait()
            return False
        return said.strip() == b"stopping"

    def _send(self, message: str) -> None:
        if not self._address:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
                sender.setblocking(False)
                sender.sendto(message.encode(), self._address)
        except OSError:
            return


def _one_line(text: str) -> str:
    return " ".join(text.split())
