"""Whether the whole host is being shut down: then nothing is to be kept for the agent's return."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.host.service_manager import ServiceManager

MANAGED = {"NOTIFY_SOCKET": "/run/systemd/notify"}


def systemctl(directory: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    program = directory / "systemctl"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(directory))


@pytest.mark.parametrize(
    ("script", "is_stopping"),
    [("echo stopping; exit 1", True), ("echo running", False), ("echo degraded; exit 1", False)],
)
async def test_systemd_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, is_stopping: bool
) -> None:
    systemctl(tmp_path, monkeypatch, script)
    assert await ServiceManager(MANAGED).is_host_stopping() is is_stopping


async def test_without_systemd_a_stop_is_taken_for_a_restart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert not await ServiceManager(MANAGED).is_host_stopping()
    systemctl(tmp_path, monkeypatch, "echo stopping")
    assert not await ServiceManager({}).is_host_stopping()
