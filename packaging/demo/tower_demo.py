"""Three Docker hosts on this machine, an agent on each, a sample app behind HAProxy: the product in a minute.

Everything is done as a person would: the commands of `tower` on each host, then the API. Runs until
interrupted, and takes everything down then; what a killed run left is taken down at the next start. The hosts
are the lab's (packaging/lab).
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import http.client
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TextIO

SOURCE = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(SOURCE / "packaging" / "demo"))
sys.path.insert(0, str(SOURCE / "packaging" / "lab"))
sys.path.insert(0, str(SOURCE))

from lab_agents import API_PORT, VOTERS_MAX, LabAgents, NotInTime, tower_command  # noqa: E402  # found by its path
from tower_lab.errors import LabError  # noqa: E402  # the lab is found by its path
from tower_lab.host import Host  # noqa: E402  # the lab is found by its path
from tower_lab.lab import Lab  # noqa: E402  # the lab is found by its path
from tower_lab.progress import Progress  # noqa: E402  # the lab is found by its path

from agent.cli.client import Client  # noqa: E402  # the source tree is found by its path
from agent.cli.failures import CommandFailed  # noqa: E402  # the source tree is found by its path

PREFIX = "twdemo"
STATE = Path("/run/tower-demo")
DEPLOY_TIMEOUT_S = 60.0


def main(argv: Sequence[str]) -> int:
    """Run the demo; 0 when it was up and was stopped, 1 when it could not be brought up."""
    args = _arguments(argv)
    if args.single:
        return _run_single()
    if (problem := _missing()) is not None:
        sys.stderr.write(f"demo: {problem}\n")
        return 1
    STATE.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (STATE / "lock").open("a+") as lock:
        if not _lock(lock):
            sys.stdout.write("the demo is running already:\n")
            sys.stdout.write((STATE / "summary").read_text() if (STATE / "summary").exists() else "")
            return 0
        return _run(args)


def _arguments(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="tower demo", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--hosts", type=int, default=3, metavar="N", help="Docker hosts to make (default: 3)")
    parser.add_argument("--once", action="store_true", help="bring it up, check it, take it down")
    parser.add_argument("--keep", action="store_true", help="leave it running; `tower demo --down` ends it")
    parser.add_argument("--down", action="store_true", help="take down what --keep left")
    parser.add_argument("--single", action="store_true", help="one agent on this machine's own Docker")
    return parser.parse_args(argv)


def _run(args: argparse.Namespace) -> int:
    progress = Progress(sys.stdout)
    lab = Lab(PREFIX, progress=progress)
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: stop.set())
    try:
        lab.down(force=True)
        if args.down:
            progress.say("the demo is down")
            return 0
        demo = _Demo(lab, progress, stop)
        demo.bring_up(args.hosts)
        summary = demo.summary()
        (STATE / "summary").write_text(summary)
        sys.stdout.write(summary)
        sys.stdout.flush()
        if not args.once and not args.keep:
            stop.wait()
        if args.keep or args.once:
            return 0 if demo.is_app_served else 1
    except (NotInTime, LabError, CommandFailed) as error:
        sys.stderr.write(f"demo: {error}\n")
        _show_logs()
        return 1
    finally:
        if not args.keep or args.down:
            lab.down(force=True)
            (STATE / "summary").unlink(missing_ok=True)
    progress.say("the demo is down")
    return 0


class _Demo:
    """The steps, in order."""

    def __init__(self, lab: Lab, progress: Progress, stop: threading.Event) -> None:
        self._lab = lab
        self._progress = progress
        self._stop = stop
        self._agents = LabAgents(lab, STATE, is_stopped=stop.is_set)
        self._ca = STATE / "ca.pem"
        self.is_app_served = False

    def bring_up(self, count: int) -> None:
        step = self._progress.step
        agents = self._agents
        self._lab.up(count)
        first, *others = agents.hosts
        with step(f"{first.name}: cluster made, agent started"):
            agents.found(first)
            self._ca.write_text(agents.ca_pem)
        with step("logged in as admin"):
            agents.log_in(first)
        for host in others:
            with step(f"{host.name}: joined, agent started"):
                agents.add(host, through=first)
        with step(f"{count} hosts up, {min(count, VOTERS_MAX)} of them voting"):
            agents.wait_until_voting()
        with step("a token for each role"):
            for role in ("viewer", "operator", "admin"):
                self._keep_secret(STATE / f"{role}.token", agents.make_token(f"demo-{role}", role))
        self._deploy(agents.client(first), agents.hosts)

    def _deploy(self, client: Client, hosts: Sequence[Host]) -> None:
        """The sample app. Without it the rest is worth showing all the same: say what failed and go on."""
        compose = (Path(__file__).parent / "shop.compose.yaml").read_text()
        try:
            with self._progress.step("sample app deployed, 3 replicas healthy"):
                client.post("/deployments", {"compose": compose}, timeout_s=60.0)
                served = "the sample app answers on every host"
                self._agents.wait(served, lambda: self._is_served(hosts), timeout_s=DEPLOY_TIMEOUT_S)
            self.is_app_served = True
        except (NotInTime, CommandFailed) as error:
            if self._stop.is_set():
                raise
            self._progress.say(f"FAILED: {error}")

    def summary(self) -> str:
        """What a person needs to go on, secrets included: shown once, on their own terminal."""
        hosts = self._lab.hosts
        first = hosts[0]
        urls = "\n".join(f"  https://{host.ip}:{API_PORT}/   ({host.name})" for host in hosts)
        tower = shutil.which("tower") or f"{SOURCE}/.venv/bin/tower"
        token = STATE / "operator.token"
        curl = f"curl -H 'Host: shop.localhost' http://{first.ip}/"
        app = curl if self.is_app_served else "not served, see above"
        cli = f"TOWER_SERVER=https://{first.ip}:{API_PORT} TOWER_CA={self._ca} {tower}"
        return f"""
Dashboard, the same on every host:
{urls}
  log in as admin with the password {self._agents.password}
  (the certificate is the cluster's own: trust {self._ca}, or accept it once)

Sample app, through the HAProxy of any host:
  {app}

Command line:
  {cli} --token @{token} status

MCP (Streamable HTTP), with a token of the role an assistant should have:
  https://{first.ip}:{API_PORT}/mcp   Authorization: Bearer <content of {token}>
  NODE_EXTRA_CA_CERTS={self._ca} for clients that run on Node

Break something (the rest goes on):
  {tower} lab --prefix {PREFIX} kill {hosts[-1].name} --power
  {tower} lab --prefix {PREFIX} start {hosts[-1].name}

Ctrl-C takes everything down.
"""

    def _is_served(self, hosts: Sequence[Host]) -> bool:
        return all(_status_of(host.ip, "shop.localhost") == 200 for host in hosts)

    @staticmethod
    def _keep_secret(path: Path, secret: str) -> None:
        with contextlib.suppress(FileNotFoundError):
            path.unlink()
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(secret)


def _status_of(address: str, host: str) -> int:
    """The status of a request for a service, 0 without an answer."""
    connection = http.client.HTTPConnection(address, 80, timeout=2)
    try:
        connection.request("GET", "/", headers={"Host": host})
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return 0
    finally:
        connection.close()


def _missing() -> str | None:
    if sys.platform != "linux":
        return f"three hosts on one machine need Linux (this is {sys.platform}); try: tower demo --single"
    if os.geteuid() != 0:
        return "three hosts on one machine need root; run `sudo make demo`, or try: tower demo --single"
    return None


def _run_single() -> int:
    """One agent on this machine's own Docker, in a directory of its own."""
    data = Path(os.environ.get("XDG_STATE_HOME", str(Path.home() / ".local/state"))) / "tower-demo"
    flags = ["--data-dir", str(data), "--set", "haproxy.enabled=false", "--advertise", "127.0.0.1"]
    if not (data / "identity").is_dir():
        made = subprocess.run([*tower_command(), "init", "--no-start", *flags], check=False, timeout=60)
        if made.returncode != 0:
            return made.returncode
    else:
        sys.stdout.write(
            f"admin has the password that the first start printed; to begin anew: rm -r {data}\n"
        )
    sys.stdout.write("dashboard: https://127.0.0.1:7443/   (Ctrl-C ends the agent)\n")
    sys.stdout.flush()
    os.execv(sys.executable, [*tower_command(), "run", *flags])  # noqa: S606  # the agent takes this process over


def _lock(file: TextIO) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _tail(path: Path, lines: int = 15) -> str:
    return "\n".join(path.read_text(errors="replace").splitlines()[-lines:]) if path.exists() else ""


def _show_logs() -> None:
    for log in _logs():
        sys.stderr.write(f"--- the end of {log}\n{_tail(log)}\n")


def _logs() -> Iterator[Path]:
    yield from sorted(STATE.glob("*.log"))
