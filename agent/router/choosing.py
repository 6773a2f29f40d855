"""Which router a host has, as its settings say."""

from __future__ import annotations

import random
from pathlib import Path
from typing import NoReturn

from agent.clock import Clock
from agent.config import Settings
from agent.router.absent import AbsentRouter
from agent.router.declared import BookFile
from agent.router.haproxy.process import end_left_over
from agent.router.haproxy.router import HaproxyRouter, Prober
from agent.router.manual import ManualRouter
from agent.router.traefik.document import EntryPoints
from agent.router.traefik.router import TraefikRouter

AnyRouter = HaproxyRouter | TraefikRouter | ManualRouter | AbsentRouter


def choose_router(
    settings: Settings, *, directory: Path, epoch: str, clock: Clock, rng: random.Random, prober: Prober
) -> AnyRouter:
    """Return the host's router; what it keeps is below `directory`. `epoch` names this run of the agent."""
    if settings.traefik.enabled:
        traefik = settings.traefik
        return TraefikRouter(
            keeper=BookFile(directory / "traefik" / "book.json"),
            epoch=epoch,
            clock=clock,
            entry_points=EntryPoints(
                http=traefik.entry_points,
                https=traefik.tls_entry_points,
                certificate_resolver=traefik.certificate_resolver,
            ),
            api_url=traefik.api_url,
            metrics_url=traefik.metrics_url,
            throttle_s=traefik.throttle_s,
        )
    if settings.balancer.webhook_url:
        balancer = settings.balancer
        return ManualRouter(
            keeper=BookFile(directory / "balancer" / "book.json"),
            epoch=epoch,
            clock=clock,
            url=balancer.webhook_url,
            secret=balancer.webhook_secret.get_secret_value(),
        )
    if settings.haproxy.enabled:
        return HaproxyRouter(
            directory=directory / "haproxy",
            program=settings.haproxy.bin,
            http_port=settings.haproxy.http_port,
            https_port=settings.haproxy.https_port,
            prober=prober,
            clock=clock,
            rng=rng,
            outlives_agent=True,
        )
    return AbsentRouter(clock)


async def run_router(router: AnyRouter, *, directory: Path, clock: Clock) -> NoReturn:
    """Run the host's router; `directory` as for `choose_router`.

    HAProxy outlives the agent. Where the settings have another router now, what was left would go on with
    replicas that are gone, and hold the ports.
    """
    if not isinstance(router, HaproxyRouter):
        await end_left_over(directory / "haproxy", clock)
    await router.run()
