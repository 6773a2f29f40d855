"""Where the files of the HAProxy of this host are."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

SOCKET_PATH_CHARS_MAX = 90
"""sun_path has 107, and HAProxy binds to a longer, temporary name first."""
_PLAIN_PATH = re.compile(r"/[A-Za-z0-9_./+-]*")


@dataclass(frozen=True, slots=True)
class HaproxyFiles:
    """Where the files of one HAProxy are."""

    directory: Path

    @property
    def problem(self) -> str:
        """Why HAProxy cannot work there; empty when it can."""
        if not _PLAIN_PATH.fullmatch(str(self.directory)):
            return (
                f"{self.directory}: the path of HAProxy's directory may have letters, digits and _ . / + - "
                "only: choose another node.data_dir"
            )
        if len(str(self.socket)) > SOCKET_PATH_CHARS_MAX:
            return (
                f"{self.directory}: too long a path for the sockets HAProxy makes there: choose a shorter "
                "node.data_dir"
            )
        return ""

    @property
    def config(self) -> Path:
        return self.directory / "haproxy.cfg"

    @property
    def socket(self) -> Path:
        return self.directory / "haproxy.sock"

    @property
    def master_socket(self) -> Path:
        return self.directory / "master.sock"

    @property
    def server_states(self) -> Path:
        return self.directory / "servers.state"

    @property
    def path_map(self) -> Path:
        return self.directory / "path.map"

    @property
    def wildcard_map(self) -> Path:
        return self.directory / "wildcard.map"

    @property
    def split_map(self) -> Path:
        return self.directory / "split.map"

    @property
    def sticky_map(self) -> Path:
        return self.directory / "sticky.map"

    @property
    def targeting_map(self) -> Path:
        return self.directory / "targeting.map"

    @property
    def tls_map(self) -> Path:
        return self.directory / "tls.map"

    @property
    def certificates(self) -> Path:
        return self.directory / "certificates"

    @property
    def request_log(self) -> str:
        """The name of the abstract socket that HAProxy's lines about requests go to.

        Its workers give up the rights they would need to reach a socket in the agent's directory.
        """
        return f"tower-haproxy-{hashlib.sha256(str(self.directory).encode()).hexdigest()[:32]}"

    @property
    def log(self) -> Path:
        return self.directory / "haproxy.log"

    @property
    def process(self) -> Path:
        return self.directory / "process.json"
