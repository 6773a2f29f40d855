"""Where a node keeps what is its own.

<data directory>/
    identity/        keys, certificates, who this node is (agent.keys)
    log/             the Raft log (cluster.raft.log_storage)
    state/           the replicated state (cluster.store)
    history/         what hosts measured (cluster.history)
    anomalies        what is usual of every series, as this node knows it (agent.follow.anomaly_scores)
    samples/         what this host measured and the cluster has not got yet (agent.follow.sample_spool)
    replacements/    containers that are just being made anew (agent.execute.replacement_intents)
    logbook/         what containers of this host wrote (agent.logbook)
    first-steps      what the first start of a new cluster still has to commit; gone afterwards
    seeds            the members a joining node was told of
    haproxy/         the router's configuration and sockets
    keeper/          this host's lease, where no service manager gives a directory in memory (agent.keeper)
"""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from agent.keys.identity import IdentityDirectory

DIRECTORY_MODE = 0o700


class DirectoryUnusable(Exception):
    """The data directory cannot be used; the text names the path, the reason and the next step."""


@dataclass(frozen=True, slots=True)
class NodeDirectory:
    """The data directory of this host."""

    path: Path

    @property
    def identity(self) -> IdentityDirectory:
        return IdentityDirectory(self.path / "identity")

    @property
    def log(self) -> Path:
        return self.path / "log"

    @property
    def state(self) -> Path:
        return self.path / "state"

    @property
    def history(self) -> Path:
        return self.path / "history"

    @property
    def anomalies(self) -> Path:
        return self.path / "anomalies"

    @property
    def samples(self) -> Path:
        return self.path / "samples"

    @property
    def replacements(self) -> Path:
        return self.path / "replacements"

    @property
    def logbook(self) -> Path:
        return self.path / "logbook"

    @property
    def first_steps(self) -> Path:
        return self.path / "first-steps"

    @property
    def seeds(self) -> Path:
        return self.path / "seeds"

    @property
    def haproxy(self) -> Path:
        return self.path / "haproxy"

    @property
    def keeper(self) -> Path:
        return self.path / "keeper"

    def prepare(self) -> None:
        """Make the directory. Raises DirectoryUnusable."""
        try:
            self.path.mkdir(mode=DIRECTORY_MODE, parents=True, exist_ok=True)
            if not os.access(self.path, os.W_OK | os.X_OK):
                raise PermissionError(13, "no permission to write")
        except OSError as error:
            raise DirectoryUnusable(
                f"{self.path}: {error.strerror}: run as root, or choose another node.data_dir"
            ) from error

    def require_log(self) -> None:
        """A member without any log would start an empty one, and vote again where it has voted.

        Raises DirectoryUnusable. A log that lost its data is told by cluster.raft.log_storage.
        """
        if not self.log.is_dir():
            raise DirectoryUnusable(
                f"{self.log} is missing, but this host is a member: its entries and vote are lost, so it may "
                "not go on under its old identity: remove this node from the cluster, delete its data "
                "directory and let it join again"
            )

    def forget_measured(self) -> None:
        """Remove what an earlier member of a cluster measured here: its subjects' numbers mean others now."""
        for path in (self.history, self.samples):
            shutil.rmtree(path, ignore_errors=True)
        self.anomalies.unlink(missing_ok=True)

    def wipe(self) -> None:
        """Forget everything this node was; what does not exist is skipped."""
        self.identity.remove()
        self.forget_measured()
        for path in (self.log, self.state, self.haproxy, self.keeper, self.logbook, self.replacements):
            shutil.rmtree(path, ignore_errors=True)
        for file in (self.first_steps, self.seeds):
            file.unlink(missing_ok=True)
