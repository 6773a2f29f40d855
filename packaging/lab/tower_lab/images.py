"""The lab's images, made from Debian's static busybox and one small C program, without daemon or network.

An image is a list of layers (gzipped tar archives, the same bytes every time) and a configuration. Layers are
kept in the cache directory under a hash of what they are made of, so an image is built once per machine.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import platform
import tarfile
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from tower_lab.errors import LabError
from tower_lab.programs import run

# Raised when the bytes of layers change for another reason than their content.
_LAYER_FORMAT = 1
_WEB_SOURCE = Path(__file__).resolve().parent.parent / "images" / "web.c"
_COMPILE = ("-std=gnu11", "-O2", "-Wall", "-Wextra", "-static", "-s", "-pthread")
_BUSYBOX_PLACES = (Path("/bin/busybox"), Path("/usr/bin/busybox"))
# Names of the dynamic loaders of glibc and musl.
_LOADERS = (b"/ld-linux", b"/ld-musl")
# Always the same, for the digests to be.
_CREATED = "2026-01-01T00:00:00Z"
# What the small images are used for at a shell prompt; busybox serves each under its name.
_BUSYBOX_COMMANDS = (
    "ash awk base64 basename cat chmod cp cut date dd df du echo env expr false find grep head hostname "
    "httpd id ip kill ln ls mkdir mktemp mv nc nslookup ping printf ps pwd rm sed seq sh sha256sum sleep "
    "sort stat stty sync tail tar tee test time timeout top touch tr true uname uniq vi wc wget which "
    "xargs yes"
)
_DOCKER_ARCHITECTURES = {
    "x86_64": "amd64",
    "aarch64": "arm64",
    "armv7l": "arm",
    "ppc64le": "ppc64le",
    "s390x": "s390x",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthCheck:
    """A HEALTHCHECK of an image."""

    test: tuple[str, ...]
    interval_s: float = 1.0
    timeout_s: float = 2.0
    start_period_s: float = 0.0
    retries: int = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """Files of an image: a gzipped tar archive on this machine."""

    path: Path
    digest: str
    """sha256 of the compressed archive: the name of the blob."""
    diff_id: str
    """sha256 of the archive itself."""
    size_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """An image to publish: `name:tag`, what it is made of, how its containers start."""

    reference: str
    layers: tuple[Layer, ...]
    command: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    ports: tuple[int, ...] = ()
    health_check: HealthCheck | None = None

    @property
    def repository(self) -> str:
        """The name without the tag."""
        return self.reference.rpartition(":")[0]

    @property
    def tag(self) -> str:
        """The tag."""
        return self.reference.rpartition(":")[2]

    def configuration(self) -> bytes:
        """The image's configuration (application/vnd.docker.container.image.v1+json)."""
        config: dict[str, Any] = {
            "Env": ["PATH=/bin", *(f"{key}={value}" for key, value in sorted(self.environment.items()))],
            "Cmd": list(self.command),
            "Labels": dict(sorted(self.labels.items())),
            "ExposedPorts": {f"{port}/tcp": {} for port in self.ports},
            "WorkingDir": "/",
        }
        if self.health_check is not None:
            check = self.health_check
            config["Healthcheck"] = {
                "Test": ["CMD", *check.test],
                "Interval": int(check.interval_s * 1e9),
                "Timeout": int(check.timeout_s * 1e9),
                "StartPeriod": int(check.start_period_s * 1e9),
                "Retries": check.retries,
            }
        document = {
            "architecture": _architecture(),
            "os": "linux",
            "created": _CREATED,
            "config": config,
            "rootfs": {"type": "layers", "diff_ids": [layer.diff_id for layer in self.layers]},
            "history": [{"created": _CREATED, "created_by": "tower lab"} for _ in self.layers],
        }
        return json.dumps(document, sort_keys=True).encode()


class Builder:
    """Makes layers and the images of the lab, with what it made before from the cache."""

    def __init__(self, cache: Path) -> None:
        """`cache` is made when the first layer is."""
        self._cache = cache

    def demo_images(self) -> tuple[Image, ...]:
        """The images every lab has.

        demo/web:1, :2      the web application
        demo/web:3-bad      never fit to serve: /up answers 503
        demo/web:4-flaky    fit by /up, but slow, and a fifth of its requests fail
        demo/web-checked:1  version 1 with a HEALTHCHECK
        demo/busybox:1      a shell
        """
        web = self.web("demo/web:1")
        bad = {"VERSION": "3-bad", "UP": "never"}
        flaky = {"VERSION": "4-flaky", "FAIL_RATE": "0.2", "LATENCY_MS": "80"}
        return (
            web,
            self.web("demo/web:2", {"VERSION": "2"}),
            self.web("demo/web:3-bad", bad),
            self.web("demo/web:4-flaky", flaky),
            replace(
                web, reference="demo/web-checked:1", health_check=HealthCheck(test=("/bin/web", "check"))
            ),
            self.busybox("demo/busybox:1"),
        )

    def busybox(self, reference: str, command: tuple[str, ...] = ("sh",)) -> Image:
        """An image with nothing but busybox."""
        return Image(reference=reference, layers=(self.busybox_layer(),), command=command)

    def web(self, reference: str, environment: Mapping[str, str] | None = None) -> Image:
        """An image of the web application (`images/web.c`) with some of its settings as defaults."""
        return Image(
            reference=reference,
            layers=(self.busybox_layer(), self.web_layer()),
            command=("/bin/web",),
            environment={"VERSION": "1", **(environment or {})},
            ports=(8080,),
        )

    def busybox_layer(self) -> Layer:
        """/bin with busybox and its names, and the directories a program expects."""
        program = static_busybox()
        if program is None:
            raise LabError(
                "no static busybox on this machine; apt-get install --no-install-recommends busybox-static"
            )
        content = program.read_bytes()
        return self.layer(
            f"busybox {hashlib.sha256(content).hexdigest()}",
            lambda: [
                *(
                    _directory(name, 0o1777 if name == "tmp" else 0o755)
                    for name in ("bin", "dev", "etc", "proc", "sys", "tmp")
                ),
                _file("bin/busybox", content, 0o755),
                *(_link(f"bin/{name}", "busybox") for name in _BUSYBOX_COMMANDS.split()),
                _file(
                    "etc/passwd",
                    b"root:x:0:0:root:/:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n",
                    0o644,
                ),
                _file("etc/group", b"root:x:0:\nnogroup:x:65534:\n", 0o644),
            ],
        )

    def web_layer(self) -> Layer:
        """/bin/web."""
        return self.layer(_web_key(), lambda: [_file("bin/web", _compile(_WEB_SOURCE), 0o755)])

    def needs_compiler(self) -> bool:
        """False when the web application is in the cache."""
        return not self._record(_web_key()).exists()

    def files_layer(self, files: Mapping[str, bytes], *, mode: int = 0o644) -> Layer:
        """A layer with these files (paths without a leading slash), for images a test makes."""
        digest = hashlib.sha256()
        for path, content in sorted(files.items()):
            digest.update(f"{path} {len(content)}\0".encode() + content)
        return self.layer(
            f"files {digest.hexdigest()} {mode:o}",
            lambda: [_file(path, content, mode) for path, content in sorted(files.items())],
        )

    def layer(self, key: str, entries: Callable[[], list[tuple[tarfile.TarInfo, bytes]]]) -> Layer:
        """The layer made of what `entries` returns; from the cache when one with this key was made before."""
        record = self._record(key)
        try:
            document = json.loads(record.read_text())
            path = self._cache / document["file"]
            if path.stat().st_size == document["size_bytes"]:
                return Layer(
                    path=path,
                    digest=document["digest"],
                    diff_id=document["diff_id"],
                    size_bytes=document["size_bytes"],
                )
        except (OSError, ValueError, KeyError):
            pass  # not made yet, or a run was killed while it made it
        archive = io.BytesIO()
        with tarfile.open(fileobj=archive, mode="w", format=tarfile.USTAR_FORMAT) as tar:
            for information, content in entries():
                tar.addfile(information, io.BytesIO(content))
        raw = archive.getvalue()
        compressed = gzip.compress(raw, compresslevel=6, mtime=0)
        digest = f"sha256:{hashlib.sha256(compressed).hexdigest()}"
        name = f"{digest.removeprefix('sha256:')}.tar.gz"
        layer = Layer(
            path=self._cache / name,
            digest=digest,
            diff_id=f"sha256:{hashlib.sha256(raw).hexdigest()}",
            size_bytes=len(compressed),
        )
        self._store(layer.path, compressed)
        document = {
            "file": name,
            "digest": layer.digest,
            "diff_id": layer.diff_id,
            "size_bytes": layer.size_bytes,
        }
        self._store(record, json.dumps(document).encode())
        return layer

    def _record(self, key: str) -> Path:
        name = hashlib.sha256(f"{_LAYER_FORMAT} {platform.machine()} {key}".encode()).hexdigest()
        return self._cache / f"{name}.json"

    def _store(self, path: Path, content: bytes) -> None:
        """Write a file whole or not at all: labs that start at the same time share the cache."""
        self._cache.mkdir(parents=True, exist_ok=True)
        descriptor, temporary = tempfile.mkstemp(dir=self._cache, prefix=".new-")
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
        Path(temporary).replace(path)


def _architecture() -> str:
    """What Docker calls this machine's processor."""
    return _DOCKER_ARCHITECTURES.get(platform.machine(), platform.machine())


def static_busybox() -> Path | None:
    """The static busybox of this machine; a dynamic one would find no libraries in an image."""
    for path in _BUSYBOX_PLACES:
        if path.is_file() and not any(loader in path.read_bytes() for loader in _LOADERS):
            return path
    return None


def _web_key() -> str:
    return f"web {hashlib.sha256(_WEB_SOURCE.read_bytes()).hexdigest()} {' '.join(_COMPILE)}"


def _compile(source: Path) -> bytes:
    """The program `source` describes, linked statically."""
    with tempfile.TemporaryDirectory(prefix="tower-lab-") as directory:
        program = Path(directory) / source.stem
        run(["gcc", *_COMPILE, "-o", str(program), str(source)], timeout_s=120)
        return program.read_bytes()


def _entry(path: str, kind: bytes, mode: int) -> tarfile.TarInfo:
    information = tarfile.TarInfo(path)
    information.type = kind
    information.mode = mode
    return information


def _file(path: str, content: bytes, mode: int) -> tuple[tarfile.TarInfo, bytes]:
    information = _entry(path, tarfile.REGTYPE, mode)
    information.size = len(content)
    return information, content


def _directory(path: str, mode: int) -> tuple[tarfile.TarInfo, bytes]:
    return _entry(path, tarfile.DIRTYPE, mode), b""


def _link(path: str, target: str) -> tuple[tarfile.TarInfo, bytes]:
    information = _entry(path, tarfile.SYMTYPE, 0o777)
    information.linkname = target
    return information, b""
