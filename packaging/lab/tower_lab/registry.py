"""The lab's image registry: Debian's docker-registry in a network namespace of its own, and a client of it.

With a namespace and address of its own, nothing else on this machine can hold its port, and hosts can be cut
off from it. The client follows the distribution API (registry API v2, image manifest v2 schema 2).
"""

from __future__ import annotations

import base64
import hashlib
import http.client
import json
import subprocess
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode, urlsplit

from tower_lab.errors import LabError, RegistryError
from tower_lab.images import Image
from tower_lab.network import attach, detach, is_attached
from tower_lab.plan import Plan
from tower_lab.processes import Identity, read_record, wait_until
from tower_lab.programs import tail, tool_environment

_MANIFEST_TYPE = "application/vnd.docker.distribution.manifest.v2+json"
_CONFIG_TYPE = "application/vnd.docker.container.image.v1+json"
_LAYER_TYPE = "application/vnd.docker.image.rootfs.diff.tar.gzip"
_TIMEOUT_S = 30.0
_START_TIMEOUT_S = 15.0
PRIVATE_LOGIN = ("ci", "lab-password")
"""User and password of the private registry."""
# That password's bcrypt hash, the only kind the registry reads.
_HTPASSWD = "ci:$2y$05$abcdefghijklmnopqrstuuL/Ej5MNdcjasz4Sr7bjTMIxZn.WGpgG\n"
# Notes its own pid and start time (field 22; field 2 is "(sh)"), then becomes the registry.
_NOTE_AND_EXEC = (
    'read -r line </proc/self/stat; set -- "$1" "$2" $line; printf "%s %s\\n" "$3" "${24}" >"$1"; '
    'exec docker-registry serve "$2"'
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """One tag in the registry."""

    reference: str
    digest: str
    size_bytes: int
    """What a host downloads that has no layer of it."""


class RegistryClient:
    """A registry at `address:port`, over plain HTTP; `login` is user and password where it wants them."""

    def __init__(self, address: str, *, login: tuple[str, str] | None = None) -> None:
        """Nothing is connected before the first request."""
        self.address = address
        self._login = login

    def answers(self) -> bool:
        """True when the registry serves requests."""
        try:
            return self._send("GET", "/v2/", timeout_s=2.0)[0] == 200
        except RegistryError:
            return False

    def publish(self, image: Image) -> str:
        """Push `image`, what of it is not there yet, and return its digest.

        Raises:
            RegistryError: the registry did not answer, or refused.
        """
        configuration = image.configuration()
        for layer in image.layers:
            self._put_blob(image.repository, layer.digest, layer.path.read_bytes())
        config_digest = _digest(configuration)
        self._put_blob(image.repository, config_digest, configuration)
        manifest = json.dumps(
            {
                "schemaVersion": 2,
                "mediaType": _MANIFEST_TYPE,
                "config": {"mediaType": _CONFIG_TYPE, "size": len(configuration), "digest": config_digest},
                "layers": [
                    {"mediaType": _LAYER_TYPE, "size": layer.size_bytes, "digest": layer.digest}
                    for layer in image.layers
                ],
            }
        ).encode()
        path = f"/v2/{image.repository}/manifests/{image.tag}"
        self._expect(201, "PUT", path, manifest, {"Content-Type": _MANIFEST_TYPE})
        return _digest(manifest)

    def published(self) -> tuple[Published, ...]:
        """Every tag, sorted by name.

        Raises:
            RegistryError: the registry did not answer, or refused.
        """
        found = []
        for repository in json.loads(self._expect(200, "GET", "/v2/_catalog?n=1000"))["repositories"]:
            tags = json.loads(self._expect(200, "GET", f"/v2/{repository}/tags/list"))["tags"] or ()
            for tag in sorted(tags):
                found.append(self._describe(repository, tag))
        return tuple(found)

    def digest_of(self, reference: str) -> str:
        """The digest of `name:tag`.

        Raises:
            RegistryError: the registry did not answer, or has no such image.
        """
        repository, _, tag = reference.rpartition(":")
        return self._describe(repository, tag).digest

    def delete(self, reference: str) -> None:
        """Remove `name:tag` and every other tag of the same image.

        Raises:
            RegistryError: the registry did not answer, or has no such image.
        """
        repository, _, tag = reference.rpartition(":")
        self._expect(202, "DELETE", f"/v2/{repository}/manifests/{self._describe(repository, tag).digest}")

    def _describe(self, repository: str, tag: str) -> Published:
        raw = self._expect(200, "GET", f"/v2/{repository}/manifests/{tag}", None, {"Accept": _MANIFEST_TYPE})
        manifest = json.loads(raw)
        size_bytes = sum(layer["size"] for layer in manifest["layers"]) + manifest["config"]["size"]
        return Published(reference=f"{repository}:{tag}", digest=_digest(raw), size_bytes=size_bytes)

    def _put_blob(self, repository: str, digest: str, content: bytes) -> None:
        if self._send("HEAD", f"/v2/{repository}/blobs/{digest}")[0] == 200:
            return
        status, headers, raw = self._send("POST", f"/v2/{repository}/blobs/uploads/")
        if status != 202:
            raise RegistryError(
                f"{self.address}: no upload to {repository}: {status}: {raw.decode(errors='replace')}"
            )
        place = urlsplit(headers["location"])
        query = (
            f"{place.query}&{urlencode({'digest': digest})}" if place.query else urlencode({"digest": digest})
        )
        self._expect(
            201, "PUT", f"{place.path}?{query}", content, {"Content-Type": "application/octet-stream"}
        )

    def _expect(
        self,
        wanted: int,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: dict[str, str] | None = None,
    ) -> bytes:
        status, _, raw = self._send(method, path, body, headers)
        if status != wanted:
            raise RegistryError(
                f"{self.address}: {method} {path}: {status}: {raw.decode(errors='replace').strip()}"
            )
        return raw

    def _send(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: dict[str, str] | None = None,
        timeout_s: float = _TIMEOUT_S,
    ) -> tuple[int, dict[str, str], bytes]:
        connection = http.client.HTTPConnection(self.address, timeout=timeout_s)
        try:
            connection.request(method, path, body, {**(headers or {}), **self._authorization()})
            response = connection.getresponse()
            return (
                response.status,
                {key.lower(): value for key, value in response.getheaders()},
                response.read(),
            )
        except (OSError, http.client.HTTPException) as error:
            raise RegistryError(f"the registry at {self.address}: {method} {path}: {error}") from error
        finally:
            connection.close()

    def _authorization(self) -> dict[str, str]:
        if self._login is None:
            return {}
        return {"Authorization": f"Basic {base64.b64encode(':'.join(self._login).encode()).decode()}"}


class RegistryServer:
    """The registry's process; a private one wants `PRIVATE_LOGIN`."""

    def __init__(self, plan: Plan, *, is_private: bool = False) -> None:
        """Nothing is started."""
        self._plan = plan
        self._is_private = is_private
        self._name = "registry-private" if is_private else "registry"
        self._state = plan.directories.state / self._name
        self.client = RegistryClient(
            plan.private_registry_address if is_private else plan.registry_address,
            login=PRIVATE_LOGIN if is_private else None,
        )

    @property
    def process(self) -> Identity | None:
        """The process that was started last, running or not."""
        return read_record(self._state / "pid")

    @property
    def is_running(self) -> bool:
        """True when the process runs and serves requests."""
        process = self.process
        return (
            process is not None
            and process.is_alive
            and is_attached(self._plan.registry)
            and self.client.answers()
        )

    def start(self) -> None:
        """Start it and wait until it serves requests; what it stored before is kept.

        Raises:
            LabError: it did not come up; the message ends with its log.
        """
        storage = self._plan.directories.data / self._name
        for directory in (self._state, storage):
            directory.mkdir(parents=True, exist_ok=True)
        if not self._is_private or not is_attached(self._plan.registry):
            # Anew, which ends what runs there: the private one is a guest of the other.
            attach(self._plan.registry)
        configuration = self._state / "config.yml"
        users = self._state / "htpasswd" if self._is_private else None
        if users is not None:
            users.write_text(_HTPASSWD)
        configuration.write_text(_render(storage, self.client.address, users))
        log = self._state / "log"
        record = self._state / "pid"
        record.unlink(missing_ok=True)
        command = ["/bin/sh", "-c", _NOTE_AND_EXEC, "sh", str(record), str(configuration)]
        with log.open("ab") as output:
            subprocess.run(
                [
                    "nsenter",
                    f"--net={self._plan.registry.namespace_file}",
                    "--",
                    "setsid",
                    "--fork",
                    *command,
                ],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=tool_environment(),
                check=True,
                timeout=_TIMEOUT_S,
            )
        if not wait_until(self.client.answers, timeout_s=_START_TIMEOUT_S, poll_s=0.02):
            raise LabError(
                f"the registry did not answer within {_START_TIMEOUT_S:g} s; the end of {log}:\n{tail(log)}"
            )

    def stop(self) -> None:
        """End it and remove its network; its log goes with the state directory."""
        detach(self._plan.registry)


def _render(storage: Path, address: str, users: Path | None) -> str:
    settings: dict[str, object] = {
        "version": 0.1,
        "log": {"level": "warn", "accesslog": {"disabled": True}},
        "storage": {"filesystem": {"rootdirectory": str(storage)}, "delete": {"enabled": True}},
        "http": {"addr": address},
    }
    if users is not None:
        settings["auth"] = {"htpasswd": {"realm": "lab", "path": str(users)}}
    # JSON is YAML.
    return json.dumps(settings)


def _digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"
