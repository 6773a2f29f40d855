"""packaging/bootstrap.sh on machines that lack something, played by programs that only answer."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.architecture.repository import ROOT

SCRIPT = "packaging/bootstrap.sh"
# What the script may use besides what a test plays.
BASICS = (
    "sh",
    "cat",
    "sed",
    "grep",
    "rm",
    "mktemp",
    "tail",
    "chmod",
    "dirname",
    "find",
    "sha256sum",
    "uname",
    "touch",
)


class Machine:
    """A copy of the script in an otherwise empty tree, with a PATH of its own."""

    def __init__(self, directory: Path) -> None:
        self.tree = directory / "tree"
        self.programs = directory / "bin"
        self.calls = directory / "calls"
        (self.tree / "packaging").mkdir(parents=True)
        self.programs.mkdir()
        self.calls.write_text("")
        shutil.copy(ROOT / SCRIPT, self.tree / SCRIPT)
        for name in BASICS:
            found = shutil.which(name)
            assert found is not None, name
            (self.programs / name).symlink_to(found)

    def has(self, name: str, answer: str) -> None:
        """Put a program on PATH that notes its arguments and then runs the shell text `answer`."""
        program = self.programs / name
        # It may be a link to the machine's own program, which must not be written through.
        program.unlink(missing_ok=True)
        program.write_text(f'#!/bin/sh\necho "{name} $*" >>"{self.calls}"\n{answer}\n')
        program.chmod(0o755)

    def bootstrap(self, *tiers: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["sh", str(self.tree / SCRIPT), *tiers],
            env={"PATH": str(self.programs), "HOME": str(self.tree), "TMPDIR": str(self.tree)},
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def debian(machine: Machine, *, uid: int, installed: bool) -> None:
    """Play a Debian whose apt-get install makes every package installed."""
    done = machine.tree / "installed"
    if installed:
        done.touch()
    machine.has("id", f"echo {uid}")
    machine.has("uname", "echo Linux")
    machine.has("dpkg-query", f'[ -e "{done}" ] && printf installed')
    machine.has("apt-cache", 'echo "  Candidate: 1.0"')
    machine.has("apt-get", f'case " $* " in *" install "*) : >"{done}" ;; esac')


def test_an_unknown_tier_is_refused_with_the_known_ones(machine: Machine) -> None:
    run = machine.bootstrap("docker")
    assert run.returncode == 1
    assert (
        "unknown tier 'docker'; there are python, lab, browser, databases, ui, bench, clients" in run.stderr
    )


def test_missing_packages_are_installed_by_root_after_saying_so(machine: Machine) -> None:
    debian(machine, uid=0, installed=False)
    run = machine.bootstrap("lab")
    assert run.returncode == 0, run.stderr
    assert "installing Debian packages: docker.io" in run.stderr
    assert "haproxy" in machine.calls.read_text()


def test_nothing_is_installed_when_nothing_is_missing(machine: Machine) -> None:
    debian(machine, uid=0, installed=True)
    run = machine.bootstrap("lab")
    assert (run.returncode, run.stderr) == (0, "")
    assert "apt-get" not in machine.calls.read_text()


def test_without_root_the_command_to_run_is_named_and_the_rest_goes_on(machine: Machine) -> None:
    debian(machine, uid=1000, installed=False)
    run = machine.bootstrap("lab")
    assert run.returncode == 0
    assert "run: sudo apt-get install docker.io" in run.stderr
    assert "tests that need the lab will be skipped" in run.stderr
    assert "apt-get" not in machine.calls.read_text()


def test_a_package_that_cannot_be_had_is_named(machine: Machine) -> None:
    debian(machine, uid=0, installed=False)
    machine.has(
        "apt-cache", 'case "$2" in haproxy) echo "  Candidate: (none)" ;; *) echo "  Candidate: 1" ;; esac'
    )
    machine.has("dpkg-query", 'case "$*" in *haproxy*) ;; *) printf installed ;; esac')
    run = machine.bootstrap("lab")
    assert run.returncode == 0
    assert "the lab of Docker hosts lacks: haproxy" in run.stderr


def test_another_system_than_linux_has_no_lab_and_says_why(machine: Machine) -> None:
    machine.has("uname", "echo Darwin")
    run = machine.bootstrap("lab")
    assert run.returncode == 0
    assert "need Linux (network namespaces); this is Darwin" in run.stderr


def test_an_old_python_on_a_machine_without_packages_is_a_clear_end(machine: Machine) -> None:
    (machine.tree / "requirements.lock").write_text("")
    machine.has("id", "echo 1000")
    machine.has("python3", "exit 1")
    run = machine.bootstrap("python")
    assert run.returncode == 1
    assert "needs Python 3.11 or newer" in run.stderr
    assert "TOWER_PYTHON=" in run.stderr


def with_clients(machine: Machine, *, npm: str, uv: str) -> Path:
    """Put the locks of the MCP endpoint's clients into the tree, and an npm and a uv that answer so."""
    support = machine.tree / "tests" / "support"
    for name in ("inspector/package.json", "inspector/package-lock.json", "conformance/package.json",
                 "conformance/package-lock.json", "sdk1/requirements.lock"):  # fmt: skip
        (support / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / "tests" / "support" / name, support / name)
    machine.has("npm", npm)
    # The lock's own, not one that a machine may have.
    machine.has("uv", uv)
    (machine.tree / ".venv" / "bin").mkdir(parents=True)
    (machine.programs / "uv").rename(machine.tree / ".venv" / "bin" / "uv")
    (machine.programs / "mkdir").symlink_to(str(shutil.which("mkdir")))
    return support


def test_clients_are_installed_as_locked_without_scripts_and_once(machine: Machine) -> None:
    support = with_clients(machine, npm="mkdir -p node_modules", uv="mkdir -p tests/support/sdk1/.venv")
    runs = [machine.bootstrap("clients") for _ in range(2)]
    assert [run.returncode for run in runs] == [0, 0]
    npm = ["npm", "ci", "--ignore-scripts"]
    calls = [call.split()[:3] for call in machine.calls.read_text().splitlines()]
    assert calls == [npm, npm, ["uv", "venv", "-q"], ["uv", "pip", "install"]]
    assert "--require-hashes" in machine.calls.read_text()
    (support / "conformance" / "package-lock.json").write_text("{}")
    machine.bootstrap("clients")
    assert [call.split()[:3] for call in machine.calls.read_text().splitlines()] == [*calls, npm]


def test_clients_that_cannot_be_had_are_said_and_the_rest_goes_on(machine: Machine) -> None:
    with_clients(machine, npm="echo 'E404' >&2; exit 1", uv="exit 1")
    run = machine.bootstrap("clients")
    assert run.returncode == 0
    assert "E404" in run.stderr
    for client in ("the MCP Inspector", "MCP's conformance suite", "the MCP SDK's 1.x line"):
        assert f"could not install {client}, see its message above" in run.stderr


def with_anchors(machine: Machine, *, uv: str, pip: str) -> None:
    """Put the lock of the bench tier into the tree, and a uv and a pip that answer so."""
    debian(machine, uid=0, installed=True)
    lock = "tests/benchmarks/mcp_server_docker/requirements.lock"
    (machine.tree / lock).parent.mkdir(parents=True)
    shutil.copy(ROOT / lock, machine.tree / lock)
    (machine.tree / ".venv" / "bin").mkdir(parents=True)
    (machine.programs / "mkdir").symlink_to(str(shutil.which("mkdir")))
    for name, answer in (("uv", uv), ("python", pip)):
        machine.has(name, answer)
        (machine.programs / name).rename(machine.tree / ".venv" / "bin" / name)


def test_the_server_measured_beside_ours_is_installed_as_locked_apart_from_us_and_once(
    machine: Machine,
) -> None:
    directory = "tests/benchmarks/mcp_server_docker"
    with_anchors(machine, uv=f"mkdir -p {directory}/.venv", pip="")
    assert [machine.bootstrap("bench").returncode for _ in range(2)] == [0, 0]
    made, installed = (
        call for call in machine.calls.read_text().splitlines() if call.startswith(("uv ", "python "))
    )
    assert made.endswith(f"{directory}/.venv")
    assert f"--python {directory}/.venv/bin/python" in installed
    assert f"--require-hashes -r {directory}/requirements.lock" in installed


def test_a_server_that_cannot_be_had_will_not_stand_beside_ours(machine: Machine) -> None:
    with_anchors(machine, uv="exit 1", pip="")
    run = machine.bootstrap("bench")
    assert run.returncode == 0
    assert "could not install mcp-server-docker, see its message above" in run.stderr


def test_the_policy_that_keeps_daemons_from_starting_is_ours_only_while_installing(tmp_path: Path) -> None:
    """The script's text, because the path of the policy cannot be played."""
    text = (ROOT / SCRIPT).read_text()
    assert text.index("printf '#!/bin/sh\\nexit 101\\n' >\"$policy\"") < text.index("install -y -qq")
    assert text.index("install -y -qq") < text.index('rm -f "$policy"')


def test_the_script_is_executable_and_plain_shell() -> None:
    assert os.access(ROOT / SCRIPT, os.X_OK)
    check = subprocess.run(
        ["sh", "-n", str(ROOT / SCRIPT)], capture_output=True, text=True, check=False, timeout=10
    )
    assert check.returncode == 0, check.stderr
