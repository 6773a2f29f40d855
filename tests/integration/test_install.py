"""packaging/install.sh and the systemd unit it installs.

The script runs against a file system of the test's own (--root), with a wheel of the same name that
holds a `tower` command and nothing else: what is tested is the installing, not the agent.
"""

from __future__ import annotations

import base64
import hashlib
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.support.requirements import require_program, require_root

ROOT = Path(__file__).resolve().parents[2]
INSTALL = ROOT / "packaging" / "install.sh"
UNIT = ROOT / "packaging" / "systemd" / "tower.service"
KEEPER = ROOT / "packaging" / "systemd" / "tower-keeper.service"

PROGRAM = """\
import sys

def main():
    match sys.argv[1:]:
        case ["version"]:
            print("tower {version}")
        case ["config", "example"]:
            print("# settings")
        case ["completion", "bash"]:
            print("# completion")
        case _:
            return 2
"""


@pytest.fixture(autouse=True)
def _needs_root() -> None:
    require_root()


def a_wheel(directory: Path, version: str, program: str = PROGRAM) -> Path:
    """A wheel of the distribution's name with a `tower` command."""
    directory.mkdir(parents=True, exist_ok=True)
    info = f"control_tower-{version}.dist-info"
    files = {
        "control_tower_stub.py": program.replace("{version}", version),
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: control-tower\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/entry_points.txt": "[console_scripts]\ntower = control_tower_stub:main\n",
    }
    record = ""
    for name, content in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(content.encode()).digest()).rstrip(b"=").decode()
        record += f"{name},sha256={digest},{len(content.encode())}\n"
    path = directory / f"control_tower-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as wheel:
        for name, content in {**files, f"{info}/RECORD": f"{record}{info}/RECORD,,\n"}.items():
            wheel.writestr(name, content)
    return path


def install(target: Path, *words: str) -> subprocess.CompletedProcess[str]:
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("PIP_", "PYTHON"))}
    return subprocess.run(
        [str(INSTALL), "--root", str(target), *words],
        capture_output=True,
        text=True,
        timeout=110,
        env={**environment, "PIP_NO_INDEX": "1"},
        check=False,
    )


def installed(target: Path, wheel: Path) -> subprocess.CompletedProcess[str]:
    run = install(target, "--from", str(wheel), "--wheels", str(wheel.parent), "--python", sys.executable)
    assert run.returncode == 0, run.stdout + run.stderr
    return run


@pytest.fixture(scope="module")
def installed_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A host with version 1.0, installed once: making a virtual environment takes seconds."""
    require_root()
    directory = tmp_path_factory.mktemp("installed")
    run = installed(directory / "host", a_wheel(directory / "wheels", "1.0"))
    assert "next: tower init" in run.stdout
    return directory


@pytest.fixture
def host(installed_once: Path, tmp_path: Path) -> Path:
    """A copy of that host, for the test to change."""
    shutil.copytree(installed_once / "host", tmp_path / "host", symlinks=True)
    return tmp_path / "host"


def tower(target: Path) -> str:
    """What the installed command says of itself; its link is absolute, for the target's own file system."""
    link = os.readlink(target / "usr/local/bin/tower")
    release = os.readlink(target / "opt/control-tower/current")
    assert link == "/opt/control-tower/current/bin/tower"
    program = f"{target}{release}/bin/tower"
    return subprocess.run([program, "version"], capture_output=True, text=True, timeout=30, check=True).stdout


def releases(target: Path) -> list[str]:
    return sorted(entry.name for entry in (target / "opt/control-tower/releases").iterdir())


def test_a_host_gets_the_command_its_settings_and_the_unit(host: Path) -> None:
    assert tower(host) == "tower 1.0\n"
    assert (host / "etc/control-tower/tower.toml").read_text() == "# settings\n"
    assert (host / "etc/control-tower/tower.toml").stat().st_mode & 0o777 == 0o640
    assert (host / "var/lib/control-tower").stat().st_mode & 0o777 == 0o700
    assert (host / "etc/systemd/system/tower.service").read_text() == UNIT.read_text()
    assert (host / "etc/systemd/system/tower-keeper.service").read_text() == KEEPER.read_text()
    assert (host / "usr/share/bash-completion/completions/tower").read_text() == "# completion\n"


def test_the_same_version_again_is_nothing_to_do(installed_once: Path, host: Path) -> None:
    (host / "etc/control-tower/tower.toml").write_text("changed = 1\n")
    before = releases(host)
    [wheel] = (installed_once / "wheels").iterdir()
    assert "installed already" in installed(host, wheel).stdout
    assert releases(host) == before
    assert (host / "etc/control-tower/tower.toml").read_text() == "changed = 1\n"


def test_an_upgrade_keeps_the_version_before_and_no_older_one(host: Path, tmp_path: Path) -> None:
    current = []
    for version in ("1.1", "1.2"):
        installed(host, a_wheel(tmp_path / version, version))
        assert tower(host) == f"tower {version}\n"
        current.append(Path(os.readlink(host / "opt/control-tower/current")).name)
    assert releases(host) == sorted(current)


def test_a_failed_upgrade_leaves_the_version_that_works(host: Path, tmp_path: Path) -> None:
    before = releases(host)
    bad = a_wheel(tmp_path / "bad", "1.1", "raise SystemExit('broken')\n")
    run = install(host, "--from", str(bad), "--wheels", str(bad.parent), "--python", sys.executable)
    assert run.returncode == 1
    assert "does not start" in run.stderr
    assert tower(host) == "tower 1.0\n"
    assert releases(host) == before


def test_uninstalling_leaves_settings_and_state_unless_they_are_purged(host: Path) -> None:
    (host / "var/lib/control-tower/state").mkdir()
    for _ in range(2):
        run = install(host, "--uninstall")
        assert run.returncode == 0, run.stderr
        assert not (host / "opt/control-tower").exists()
        assert not (host / "usr/local/bin/tower").is_symlink()
        assert not (host / "etc/systemd/system/tower.service").exists()
        assert not (host / "etc/systemd/system/tower-keeper.service").exists()
        assert (host / "etc/control-tower/tower.toml").exists()
        assert (host / "var/lib/control-tower/state").exists()
    assert install(host, "--uninstall", "--purge").returncode == 0
    assert not (host / "etc/control-tower").exists()
    assert not (host / "var/lib/control-tower").exists()


def test_uninstalling_leaves_another_program_of_that_name_alone(tmp_path: Path) -> None:
    target = tmp_path / "host"
    (target / "usr/local/bin").mkdir(parents=True)
    (target / "usr/local/bin/tower").write_text("another\n")
    assert install(target, "--uninstall").returncode == 0
    assert (target / "usr/local/bin/tower").read_text() == "another\n"


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (["--what"], 2, "there is no option --what"),
        (["--from"], 2, "--from needs a value"),
        (["--from", "/nowhere.whl"], 1, "there is no /nowhere.whl"),
        (["--from", "/etc/hostname"], 1, "neither a wheel nor a source tree"),
        (["--from", "/etc"], 1, "is no source tree"),
        (["--wheels", "/nowhere"], 1, "there is no directory /nowhere"),
        (["--python", "/bin/false"], 1, "Python 3.11 or newer is missing (/bin/false is not)"),
    ],
)
def test_what_cannot_be_is_said_before_anything_is_done(
    tmp_path: Path, words: list[str], status: int, said: str
) -> None:
    run = install(tmp_path / "host", *words)
    assert run.returncode == status
    assert said in run.stderr
    assert not (tmp_path / "host").exists()


def test_the_help_is_the_scripts_own_head() -> None:
    run = subprocess.run([str(INSTALL), "--help"], capture_output=True, text=True, timeout=30, check=True)
    options = set(re.findall(r"^        (--[a-z-]+)\)", INSTALL.read_text(), re.MULTILINE))
    assert options
    assert options <= set(re.findall(r"--[a-z-]+", run.stdout))


# ---- the unit -----------------------------------------------------------------------------------


def test_systemd_accepts_the_units(tmp_path: Path) -> None:
    analyze = require_program("systemd-analyze", package="systemd")
    copies = []
    for unit in (UNIT, KEEPER):
        copies.append(tmp_path / unit.name)
        # Verifying looks for the program, which is not installed here.
        text = re.sub(r"^ExecStart=\S+", "ExecStart=/bin/true", unit.read_text(), flags=re.MULTILINE)
        copies[-1].write_text(text)
    run = subprocess.run(
        [analyze, "verify", "--man=no", *map(str, copies)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    findings = [line for line in (run.stdout + run.stderr).splitlines() if "tower" in line]
    assert findings == []
    assert run.returncode == 0


@pytest.mark.parametrize(("unit", "exposure"), [(UNIT, 35), (KEEPER, 20)], ids=["agent", "keeper"])
def test_a_unit_gives_its_program_little_it_does_not_use(unit: Path, exposure: int) -> None:
    analyze = require_program("systemd-analyze", package="systemd")
    run = subprocess.run(
        [analyze, "security", "--offline=true", "--no-pager", f"--threshold={exposure}", str(unit)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert run.returncode == 0, run.stdout[-500:]


def test_the_units_run_the_programs_that_are_installed() -> None:
    assert "\nExecStart=/opt/control-tower/current/bin/tower run\n" in UNIT.read_text()
    assert "\nExecStart=/opt/control-tower/current/bin/python -I -m agent.keeper " in KEEPER.read_text()


def test_the_keeper_is_not_stopped_with_the_agent() -> None:
    for unit, other in ((UNIT, "tower-keeper"), (KEEPER, "tower")):
        for word in ("PartOf", "BindsTo", "Requires", "StopPropagatedFrom"):
            assert f"{word}={other}.service" not in unit.read_text()
        assert {"RuntimeDirectory=control-tower", "RuntimeDirectoryPreserve=yes"} <= set(
            unit.read_text().splitlines()
        )
