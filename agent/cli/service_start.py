"""Starting the service of this host after it became a member."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from agent.cli.failures import DONE, CommandFailed

SERVICE = "tower.service"
START_TIMEOUT_S = 90


def start_service(*, should_start: bool, is_quiet: bool) -> int:
    """Start the agent through systemd where it is installed; elsewhere say how to start it."""
    systemctl = shutil.which("systemctl")
    if not should_start or systemctl is None or not Path("/run/systemd/system").is_dir():
        if not is_quiet:
            print("start the agent: tower run")
        return DONE
    try:
        subprocess.run(
            [systemctl, "enable", "--now", SERVICE],
            check=True,
            timeout=START_TIMEOUT_S,
            capture_output=True,
            text=True,
        )
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        detail = getattr(error, "stderr", "") or str(error)
        raise CommandFailed(
            f"this host is a member, but its service did not start: {detail.strip()}",
            hint=f"journalctl -u {SERVICE} shows why; start it with: systemctl start {SERVICE}",
        ) from error
    if not is_quiet:
        print("the agent is running")
    return DONE
