"""A balancer of the user's own: it is sent what it should do, and says when it does.

A POST with JSON: 200 or 204 says that it is in force; 202 that somebody will say so later, with the mark that
was sent (`POST /api/v1/router/acknowledgements`).
"""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
from collections.abc import Sequence
from typing import Any, NoReturn

import aiohttp

from agent.clock import Clock
from agent.ports import SwitchError
from agent.router.declared import Declared, DeclaredSwitch, Keeper, match_documents
from agent.router.protocol import RevisionTraffic, RouterCondition, ServerCertificate, ServiceRoute
from cluster.model.experiment import Targeting
from cluster.model.strategy import Colour

log = logging.getLogger(__name__)

SEND_TIMEOUT_S = 10.0
ACKNOWLEDGE_TIMEOUT_S = 300.0
POLL_S = 0.2
REPEAT_S = 30.0
MARKS_MAX = 64


class ManualRouter(DeclaredSwitch):
    """A `Router` over a webhook. With a `secret` the body is signed: X-Tower-Signature, hex HMAC-SHA256."""

    def __init__(self, *, keeper: Keeper, epoch: str, clock: Clock, url: str, secret: str = "") -> None:
        self._url = url
        self._secret = secret.encode()
        self._applied_mark = ""
        self._acknowledged: list[str] = []
        self._condition = RouterCondition(is_serving=True, since_s=clock.monotonic_s())
        super().__init__(keeper=keeper, epoch=epoch, applier=self, clock=clock)

    @property
    def condition(self) -> RouterCondition:
        return self._condition

    def configure(
        self, routes: Sequence[ServiceRoute], certificates: Sequence[ServerCertificate] = ()
    ) -> None:
        """Declare the services. Certificates are the balancer's own matter."""
        super().configure(routes)

    async def traffic(self) -> tuple[RevisionTraffic, ...]:
        """Return nothing: what goes through the balancer is not known here."""
        return ()

    def traefik_document(self, version: str, poller: str) -> bytes | None:
        """There is no Traefik."""
        return None

    def acknowledge(self, mark: str) -> bool:
        """Take somebody's word that the state with this mark is in force; whether it was ever sent."""
        declared = self.declared
        epoch, _, revision = mark.rpartition("-")
        if declared is None or epoch != declared.epoch or not revision.isdecimal():
            return False
        if int(revision) > declared.revision:
            return False
        self._acknowledged = [*self._acknowledged, mark][-MARKS_MAX:]
        return True

    async def run(self) -> NoReturn:
        """Send it again now and then: a balancer that was set up anew knows nothing."""
        await self.load()
        while True:
            await self._clock.sleep(REPEAT_S)
            declared = self.declared
            if declared is not None:
                try:
                    await self._send(declared)
                except SwitchError as error:
                    log.debug("manual_router.not_sent", extra={"reason": str(error)})

    async def applied(self, declared: Declared) -> None:
        if self._applied_mark == declared.mark:
            return
        if await self._send(declared):
            self._applied_mark = declared.mark
            return
        deadline_s = self._clock.monotonic_s() + ACKNOWLEDGE_TIMEOUT_S
        while not self._is_acknowledged(declared):
            if self._clock.monotonic_s() >= deadline_s:
                raise SwitchError(
                    f"nobody has acknowledged {declared.mark} within {ACKNOWLEDGE_TIMEOUT_S:g} s: the"
                    f" balancer at {self._url} answered 202, so POST the mark to"
                    " /api/v1/router/acknowledgements"
                )
            await self._clock.sleep(POLL_S)
        self._applied_mark = declared.mark

    def _is_acknowledged(self, declared: Declared) -> bool:
        return any(int(mark.rpartition("-")[2]) >= declared.revision for mark in self._acknowledged)

    async def _send(self, declared: Declared) -> bool:
        """Whether the balancer said that it is in force. Raises SwitchError."""
        body = json.dumps(_document(declared), sort_keys=True).encode()
        headers = {"Content-Type": "application/json"}
        if self._secret:
            headers["X-Tower-Signature"] = hmac.new(self._secret, body, hashlib.sha256).hexdigest()
        try:
            async with (
                aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=SEND_TIMEOUT_S)) as session,
                session.post(self._url, data=body, headers=headers, allow_redirects=False) as response,
            ):
                status = response.status
        except (aiohttp.ClientError, TimeoutError) as error:
            problem = f"the balancer's webhook {self._url} cannot be reached: {error!r}"
            self._note(problem)
            raise SwitchError(problem) from error
        if status not in (200, 202, 204):
            problem = f"the balancer's webhook {self._url} answered {status}: 200, 202 or 204 is expected"
            self._note(problem)
            raise SwitchError(problem)
        self._note("")
        return status != 202

    def _note(self, problem: str) -> None:
        if problem != self._condition.problem:
            # It may well serve while its webhook is away, so it is waited for.
            self._condition = RouterCondition(
                is_serving=True, since_s=self._clock.monotonic_s(), problem=problem
            )
            if problem:
                log.warning("manual_router.problem", extra={"problem": problem})


def _document(declared: Declared) -> dict[str, Any]:
    return {
        "mark": declared.mark,
        "services": [
            {
                "service": route.service,
                "hosts": list(route.hosts),
                "health_path": route.health_path,
                "sticky": route.sticky.value,
                "tls": route.tls.value,
                "colours": [
                    {
                        "colour": colour.value,
                        "share_permille": declared.weights(route.service).get(colour, 0),
                        "servers": [
                            {"address": each.address, "port": each.port, "revision": each.revision}
                            for each in declared.servers.get((route.service, colour), ())
                        ],
                    }
                    for colour in Colour
                ],
                "targeting": _targeting(declared.targeting_of(route.service)),
            }
            for route in declared.routes
        ],
    }


def _targeting(targeting: Targeting | None) -> dict[str, Any] | None:
    """What goes before the shares: requests with any of `matches` belong to `colour`. A visitor whose colour
    was chosen by the shares stays there for `sticky_s` seconds; 0: each request is for itself."""
    if targeting is None:
        return None
    return {
        "colour": targeting.colour.value,
        "matches": match_documents(targeting),
        "sticky_s": targeting.cookie_s if targeting.cookie else 0,
    }
