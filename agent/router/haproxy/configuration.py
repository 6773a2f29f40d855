"""What HAProxy is configured with: wanted, written to its files, and in force."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from agent.router.haproxy.certificates import install
from agent.router.haproxy.files import HaproxyFiles
from agent.router.haproxy.maps import Entries, Shares, all_entries, render_map
from agent.router.haproxy.render import (
    OWN_BACKENDS,
    ConfigOptions,
    render_config,
    render_server_states,
    split_backend_name,
)
from agent.router.protocol import ServerCertificate, ServiceRoute

log = logging.getLogger(__name__)


class Configuration:
    """The routes and certificates that are wanted, and the ones HAProxy has.

    `is_changed` is set when something else is wanted. A candidate is written beside the file in force, for
    HAProxy to judge, before it takes that one's place.
    """

    def __init__(self, files: HaproxyFiles, options: ConfigOptions) -> None:
        self._files = files
        self._options = options
        self._certificates: tuple[ServerCertificate, ...] = ()
        self._installed: tuple[ServerCertificate, ...] | None = None
        self._sections: dict[str, str] = {}
        """Of the configuration in force, by their first line."""
        self.is_changed = asyncio.Event()
        self.wanted: tuple[ServiceRoute, ...] | None = None
        self.routes: dict[str, ServiceRoute] = {}
        """The routes in force, by service."""

    @property
    def options(self) -> ConfigOptions:
        return self._options

    @property
    def candidate(self) -> Path:
        return self._files.config.with_suffix(".cfg.new")

    @property
    def backends(self) -> frozenset[str]:
        """The backends of services in the configuration in force."""
        return frozenset(self._declared() - OWN_BACKENDS)

    @property
    def services(self) -> frozenset[str]:
        names = (split_backend_name(backend) for backend in self.backends)
        return frozenset(name[0] for name in names if name is not None)

    def want(self, routes: Sequence[ServiceRoute], certificates: Sequence[ServerCertificate]) -> None:
        wanted = tuple(sorted(routes, key=lambda route: route.service))
        if (wanted, tuple(certificates)) != (self.wanted, self._certificates):
            self.wanted, self._certificates = wanted, tuple(certificates)
            self.is_changed.set()

    def needs_load(self, slots: Mapping[str, int]) -> bool:
        """Whether what is wanted differs from what is in force in more than the maps."""
        wanted = sections(self._render(self.wanted or (), slots))
        return any(self._sections.get(head) != body for head, body in wanted.items())

    async def adopt(self, backends: frozenset[str]) -> None:
        """Take the file for what an earlier run loaded, if it declares those `backends` of HAProxy's."""
        self._sections = sections(await asyncio.to_thread(_read, self._files.config))
        if self._declared() != backends | OWN_BACKENDS:
            # The earlier run ended between writing the file and loading it.
            self._sections = {}
        self.routes = {route.service: route for route in self.wanted or ()}

    async def install_certificates(self) -> None:
        """Put the wanted certificates where HAProxy reads them when it loads."""
        wanted = self._certificates if self._options.https_port is not None else ()
        if self._installed == wanted:
            return
        installed = await asyncio.to_thread(install, self._files.certificates, wanted)
        for name, reason in installed.refused.items():
            log.error("router.certificate_refused", extra={"certificate": name, "reason": reason})
        self._installed = wanted
        self._options = replace(self._options, certificates_digest=installed.digest)

    async def write(
        self, routes: Sequence[ServiceRoute], slots: Mapping[str, int], shares: Mapping[str, Shares]
    ) -> str:
        """Write the candidate and all it refers to; return its text."""
        text = self._render(routes, slots)
        if not self._files.server_states.exists():
            await self.write_file(self._files.server_states, render_server_states({}))
        for path, entries in all_entries(self._files, routes, shares).items():
            await self.write_file(path, render_map(entries))
        await self.write_file(self.candidate, text)
        return text

    async def write_maps(self, shares: Mapping[str, Shares]) -> dict[Path, Entries]:
        """Write the maps of what is wanted; return those that the configuration in force refers to."""
        routes = self.wanted or ()
        maps = all_entries(self._files, routes, shares)
        for path, entries in maps.items():
            await self.write_file(path, render_map(entries))
        if not self._options.serves_https:
            del maps[self._files.tls_map]
        self.routes = {route.service: route for route in routes}
        return maps

    async def accept_candidate(self) -> None:
        """Let the candidate be what HAProxy loads."""
        await asyncio.to_thread(self.candidate.rename, self._files.config)

    def note_loaded(self, text: str, routes: Sequence[ServiceRoute]) -> None:
        """HAProxy has it."""
        self._sections = sections(text)
        self.routes = {route.service: route for route in routes}

    async def write_file(self, path: Path, text: str) -> None:
        await asyncio.to_thread(_write_whole, path, text)

    def _render(self, routes: Sequence[ServiceRoute], slots: Mapping[str, int]) -> str:
        return render_config(self._files, self._options, routes, slots)

    def _declared(self) -> set[str]:
        return {head.split()[1] for head in self._sections if head.startswith("backend ")}


def sections(config: str) -> dict[str, str]:
    """The sections of a configuration of ours by their first line."""
    found: dict[str, list[str]] = {}
    body: list[str] = []
    for line in config.splitlines():
        if line and not line.startswith((" ", "#")):
            body = found.setdefault(line, [])
        elif line.startswith(" "):
            body.append(line)
    return {head: "\n".join(lines) for head, lines in found.items()}


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""


def _write_whole(path: Path, text: str) -> None:
    fresh = path.with_name(path.name + ".tmp")
    fresh.write_text(text)
    fresh.rename(path)
