"""What this machine must have before a lab can be made, and how to get it."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from tower_lab.errors import LabError, RequirementsMissing
from tower_lab.images import Builder, static_busybox
from tower_lab.programs import SEARCH_PATH, attempt
from tower_lab.progress import Progress

# Program, and the Debian package that has it. haproxy is what agents in the hosts run.
_PROGRAMS = (
    ("dockerd", "docker.io"),
    ("docker-init", "docker.io"),
    ("docker-registry", "docker-registry"),
    ("haproxy", "haproxy"),
    ("ip", "iproute2"),
    ("ss", "iproute2"),
    ("iptables", "iptables"),
    ("iptables-restore", "iptables"),
    ("nsenter", "util-linux"),
    ("unshare", "util-linux"),
    ("setsid", "util-linux"),
    ("mount", "mount"),
)
# What would start at the next boot because a package for the lab was installed.
_UNITS = {
    "docker.io": ("docker.service", "docker.socket", "containerd.service"),
    "docker-registry": ("docker-registry.service",),
    "haproxy": ("haproxy.service",),
}
_STATIC_LIBRARY = "libc.a"
_POLICY = Path("/usr/sbin/policy-rc.d")
_POLICY_TEXT = "#!/bin/sh\n# Made by the Control Tower lab for one apt-get run: no daemon starts.\nexit 101\n"
# linux/capability.h
_CAPABILITIES = {"CAP_NET_ADMIN": 12, "CAP_SYS_PTRACE": 19, "CAP_SYS_ADMIN": 21}
_INSTALL_TIMEOUT_S = 900.0


def check(builder: Builder) -> None:
    """Nothing, when a lab can be made here.

    Raises:
        RequirementsMissing: naming everything that is missing and the command that helps.
    """
    if sys.platform != "linux":
        raise RequirementsMissing(
            f"the lab makes hosts of Linux namespaces, and this is {sys.platform}; use a Linux machine"
        )
    problems = _privileges()
    if problems:
        raise RequirementsMissing("the lab cannot make hosts here: " + "; ".join(problems))
    missing = missing_programs(builder)
    if missing:
        packages = " ".join(sorted(set(missing.values())))
        raise RequirementsMissing(
            f"the lab needs {', '.join(missing)}; run: tower lab up --install (or: apt-get install -y "
            f"--no-install-recommends {packages}, and keep the packages' own daemons from starting)"
        )


def missing_programs(builder: Builder) -> dict[str, str]:
    """What is not installed, with the Debian package that has it."""
    missing = {
        program: package for program, package in _PROGRAMS if not shutil.which(program, path=SEARCH_PATH)
    }
    if static_busybox() is None:
        missing["a static busybox"] = "busybox-static"
    if builder.needs_compiler():
        if not shutil.which("gcc", path=SEARCH_PATH):
            missing["gcc"] = "gcc"
        if "gcc" in missing or not _has_static_library():
            missing["a static C library"] = "libc6-dev"
    return missing


def install(builder: Builder, progress: Progress) -> None:
    """Install the Debian packages that are missing, without starting any daemon of theirs.

    Raises:
        LabError: there is no apt-get, this is not root, or apt-get failed.
    """
    packages = sorted(set(missing_programs(builder).values()))
    if not packages:
        return
    if os.geteuid() != 0:
        raise LabError(f"installing {' '.join(packages)} needs root; run: sudo tower lab up --install")
    if shutil.which("apt-get") is None:
        raise LabError(f"there is no apt-get here; install what Debian calls {' '.join(packages)}")
    apt_get = ["env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-qq", "-o", "DPkg::Lock::Timeout=300"]
    with progress.step(f"installed {' '.join(packages)}"), _no_daemon_starts():
        # Lists may be old or absent; what is installed next says whether that matters.
        attempt([*apt_get, "update"], timeout_s=_INSTALL_TIMEOUT_S)
        command = [*apt_get, "install", "-y", "--no-install-recommends", *packages]
        ended = attempt(command, timeout_s=_INSTALL_TIMEOUT_S)
        if ended.returncode != 0:
            said = (ended.stderr or ended.stdout)[-2000:]
            raise LabError(f"apt-get could not install {' '.join(packages)}:\n{said}")
        if Path("/run/systemd/system").is_dir():
            for unit in (unit for package in packages for unit in _UNITS.get(package, ())):
                attempt(["systemctl", "disable", "--quiet", unit])


@contextlib.contextmanager
def _no_daemon_starts() -> Iterator[None]:
    """Keep apt from starting daemons for the block (policy-rc.d, Debian Policy 9.3.3)."""
    # One with another text is the administrator's, and kept; one with ours is from a run that was killed.
    ours = not _POLICY.exists() or _POLICY.read_text() == _POLICY_TEXT
    if ours:
        _POLICY.write_text(_POLICY_TEXT)
        _POLICY.chmod(0o755)
    try:
        yield
    finally:
        if ours:
            _POLICY.unlink(missing_ok=True)


def _privileges() -> list[str]:
    """What this process may not do."""
    if os.geteuid() != 0:
        return ["it needs root (network namespaces, mounts, dockerd); run it with sudo"]
    problems = []
    effective = _effective_capabilities()
    lacking = [name for name, bit in _CAPABILITIES.items() if not effective >> bit & 1]
    if lacking:
        problems.append(f"root lacks {', '.join(lacking)}; in a container, run that with --privileged")
    if not _has_writable_cgroups():
        problems.append(
            "/sys/fs/cgroup is not there or is read-only; in a container, run that with --privileged"
        )
    filesystems = Path("/proc/filesystems").read_text().split()
    # A module that is not loaded yet is not in the list, and loads by itself.
    if "overlay" not in filesystems and attempt(["modprobe", "overlay"]).returncode != 0:
        problems.append("the kernel has no overlay file system")
    return problems


def _effective_capabilities() -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("CapEff:"):
            return int(line.split()[1], 16)
    return 0


def _has_writable_cgroups() -> bool:
    """True when groups can be made in every hierarchy dockerd uses (or in the one of cgroup v2)."""
    root = Path("/sys/fs/cgroup")
    candidates = [root / "memory", root / "cpu", root] if (root / "memory").is_dir() else [root]
    return all(path.is_dir() for path in candidates) and not _is_read_only(candidates[0])


def _is_read_only(path: Path) -> bool:
    return bool(os.statvfs(path).f_flag & os.ST_RDONLY)


def _has_static_library() -> bool:
    found = attempt(["gcc", f"-print-file-name={_STATIC_LIBRARY}"]).stdout.strip()
    return found not in ("", _STATIC_LIBRARY)
