"""Which containers are being made anew, on disk until it is done: for an agent that is killed midway.

One file each, written before the engine is asked for anything. Without it nobody could tell what a container
called `web.replaced` is: somebody's own, one that ran, or one that did not.
"""

from __future__ import annotations

import asyncio
import json
import logging
from dataclasses import asdict, dataclass
from pathlib import Path

from agent.keys.errors import IdentityUnwritable, KeysError
from agent.keys.private_files import DIRECTORY_MODE, read_private_file, write_private_file

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplacementIntent:
    """The container `container_id` called `name` gets a successor. `successor_id` is known once it is whole.

    `is_running`: it ran before.
    """

    container_id: str
    name: str
    is_running: bool
    begun_at_ms: int
    successor_id: str = ""


class ReplacementIntents:
    """Those of one host, in a directory of their own."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    async def keep(self, intent: ReplacementIntent) -> None:
        """Write one down, in place of an earlier one about the same container. Raises KeysError."""
        await asyncio.to_thread(self._keep, intent)

    async def forget(self, intent: ReplacementIntent) -> None:
        """It is done, or undone."""
        await asyncio.to_thread(self._path(intent.container_id).unlink, missing_ok=True)

    async def all(self) -> list[ReplacementIntent]:
        """Return those that were left, the oldest first. One that cannot be read is told of and dropped."""
        return await asyncio.to_thread(self._all)

    def _keep(self, intent: ReplacementIntent) -> None:
        try:
            self._directory.mkdir(mode=DIRECTORY_MODE, exist_ok=True)
        except OSError as error:
            raise IdentityUnwritable(f"{self._directory}: cannot be made: {error.strerror}") from error
        write_private_file(self._path(intent.container_id), json.dumps(asdict(intent)))

    def _all(self) -> list[ReplacementIntent]:
        found = []
        for path in sorted(self._directory.glob("*.json")):
            try:
                found.append(ReplacementIntent(**json.loads(read_private_file(path))))
            except (KeysError, ValueError, TypeError) as error:
                log.warning("replacement.intent_unreadable", extra={"file": path.name, "reason": str(error)})
                path.unlink(missing_ok=True)
        return sorted(found, key=lambda intent: (intent.begun_at_ms, intent.container_id))

    def _path(self, container_id: str) -> Path:
        return self._directory / f"{container_id}.json"
