"""The direction of imports, as written in pyproject.toml, and what it cannot say there."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.architecture.repository import ROOT

# A module each that breaks one contract, and the contract's name.
VIOLATIONS = {
    "web/live/planted.py": ("import agent.clock\n", "agent composes web and cluster"),
    "agent/follow/planted.py": ("import web.api\n", "Only the composition root sees web"),
    "cluster/store/planted.py": ("import cluster.state_machine\n", "Inside cluster"),
    "agent/docker/planted.py": ("import agent.leader\n", "Inside agent"),
    "agent/keeper/planted.py": ("import agent.clock\n", "The keeper stands by itself"),
    "web/auth/planted.py": ("import web.api\n", "Inside web"),
    "cluster/rollout/planted.py": (
        "def now():\n    import time\n    return time\n",
        "decisions and the state machine are pure",
    ),
    "cluster/raft/wire.py": ("import socket\n", "The Raft core runs without"),
    "cluster/state_machine/planted.py": (
        "import cluster.rbac\n",
        "The log records decisions, not procedures",
    ),
    "cluster/failover/planted.py": ("import pysyncobj\n", "pysyncobj stays inside cluster.raft"),
    "web/api/planted.py": ("import lmdb\n", "LMDB stays inside the store, the log and the history"),
    "web/tools/planted.py": ("import anthropic\n", "The model's SDK stays inside web.assistant.by_model"),
    "agent/collect/planted.py": ("import aiodocker\n", "aiodocker stays inside agent.docker"),
    "cluster/raft/planted.py": ("import msgpack\n", "msgpack stays inside the codec"),
}


def lint_imports(directory: Path) -> subprocess.CompletedProcess[str]:
    """Run import-linter over the packages in `directory`, which holds a pyproject.toml."""
    return subprocess.run(
        [
            sys.executable,
            "-c",
            "from importlinter.cli import lint_imports_command as run; run()",
            "--no-cache",
        ],
        cwd=directory,
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )


def test_every_import_contract_is_kept() -> None:
    run = lint_imports(ROOT)
    assert run.returncode == 0, run.stdout + run.stderr


def test_every_contract_reports_its_violation(tmp_path: Path) -> None:
    """A copy of the tree's shape, with one violation of each contract planted."""
    (tmp_path / "pyproject.toml").write_text((ROOT / "pyproject.toml").read_text())
    for package in ("agent", "cluster", "web"):
        for source in (ROOT / package).rglob("*.py"):
            if "node_modules" not in source.parts:
                copy = tmp_path / source.relative_to(ROOT)
                copy.parent.mkdir(parents=True, exist_ok=True)
                copy.write_text("")
    for path, (text, _) in VIOLATIONS.items():
        (tmp_path / path).write_text(text)
    run = lint_imports(tmp_path)
    verdicts = [line for line in run.stdout.splitlines() if line.endswith(("KEPT", "BROKEN"))]
    assert len(verdicts) == len(VIOLATIONS), run.stdout + run.stderr
    for _, name in VIOLATIONS.values():
        assert any(name in line and line.endswith("BROKEN") for line in verdicts), f"{name}: not reported"


def test_the_packaging_directory_does_not_shadow_the_library_of_that_name() -> None:
    """`packaging` on PyPI is what pytest imports; with an __init__.py ours would stand before it."""
    assert not (ROOT / "packaging" / "__init__.py").exists()


def test_the_command_line_starts_without_numbers_server_or_mcp() -> None:
    """`tower ps` is a thin client: what it does not import is what makes it start at once."""
    run = subprocess.run(
        [sys.executable, "-c", "import agent.cli.main, sys; print('\\n'.join(sys.modules))"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    loaded = set(run.stdout.split())
    assert loaded.isdisjoint({"numpy", "web", "mcp", "pysyncobj", "lmdb", "aiodocker", "cluster.raft"})


def test_the_server_starts_without_mcp_and_without_the_model_s_sdk() -> None:
    """Each costs seconds and tens of MB, which the first who needs it pays."""
    run = subprocess.run(
        [sys.executable, "-c", "import web.server, sys; print('\\n'.join(sys.modules))"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    loaded = set(run.stdout.split())
    assert "web.server" in loaded
    assert loaded.isdisjoint({"mcp", "anthropic", "httpx2", "web.mcp.transports", "web.assistant.by_model"})
