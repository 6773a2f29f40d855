"""A container made anew with other settings, and put back as it was when its successor fails.

The successor is created before the old one is stopped, so that settings the engine refuses cost nothing. From
then until the successor has shown that it lives, the old container is kept, stopped, under another name. What
an agent that dies meanwhile leaves is finished, or undone, when it is started again (`settle`).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import replace

from agent.clock import Clock
from agent.execute.replacement_intents import ReplacementIntent, ReplacementIntents
from agent.keys.errors import KeysError
from agent.ports import (
    ContainerDetail,
    ContainerEngine,
    ContainerNotFound,
    ContainerState,
    EngineError,
    EngineRefused,
    Health,
    RegistryAuth,
)
from agent.ports.access import ContainerAccess
from cluster.model.container_access import (
    ReplacementChanges,
    ReplacementPlan,
    ReplacementStage,
    ReplacementStep,
)

log = logging.getLogger(__name__)

LOOK_INTERVAL_S = 0.5
SETTLED_S = 3.0
"""How long a container without a health check must run to count as well."""
HEALTH_TIMEOUT_S = 180.0
RESTORE_TIMEOUT_S = 90.0
OLD_SUFFIX = ".replaced"


class _Failed(Exception):
    """The successor is not well; the text says why."""


class Replacing:
    """Makes containers of one host anew, one at a time each."""

    def __init__(
        self,
        *,
        engine: ContainerEngine,
        access: ContainerAccess,
        intents: ReplacementIntents,
        clock: Clock,
        login_of: Callable[[str], RegistryAuth | None] = lambda _: None,
    ) -> None:
        self._engine = engine
        self._access = access
        self._intents = intents
        self._clock = clock
        self._login_of = login_of
        self._under_way: set[str] = set()

    async def replace(
        self, container: str, changes: ReplacementChanges, tell: Callable[[ReplacementStep], None]
    ) -> None:
        """Do it, telling each step before it is done; the last one told says how it ended.

        Raises EngineError where nothing was touched, or where the old container could not be put back.
        """
        plan = await self._access.plan(container, changes)
        if plan.refusal:
            raise EngineRefused(f"{plan.name} cannot be made anew: {plan.refusal}", status=409)
        if plan.name in self._under_way:
            raise EngineRefused(f"{plan.name} is being made anew already", status=409)
        self._under_way.add(plan.name)
        try:
            await self._replace(plan, changes, tell)
        finally:
            self._under_way.discard(plan.name)

    async def _replace(
        self, plan: ReplacementPlan, changes: ReplacementChanges, tell: Callable[[ReplacementStep], None]
    ) -> None:
        old, name = plan.container_id, plan.name
        image = changes.image or (await self._engine.inspect(old)).image
        if changes.image is not None or plan.is_pull_needed:
            tell(ReplacementStep(stage=ReplacementStage.PULLING, text=image))
            await self._engine.pull(image, auth=self._login_of(image))
        tell(ReplacementStep(stage=ReplacementStage.CREATING, text=name))
        intent = ReplacementIntent(
            container_id=old, name=name, is_running=plan.is_running, begun_at_ms=self._clock.now_ms()
        )
        await self._note(intent)
        try:
            await self._access.rename(old, f"{name}{OLD_SUFFIX}")
            await self._succeed(intent, changes, tell)
        except EngineRefused:
            # It is as it was, or somebody else has its name by now: there is nothing to settle later.
            await self._intents.forget(intent)
            raise
        await self._intents.forget(intent)

    async def _succeed(
        self, intent: ReplacementIntent, changes: ReplacementChanges, tell: Callable[[ReplacementStep], None]
    ) -> None:
        old, name = intent.container_id, intent.name
        new: str | None = None
        try:
            new = await self._access.create_successor(old, changes, name=name)
            await self._note(replace(intent, successor_id=new))
            if intent.is_running:
                tell(ReplacementStep(stage=ReplacementStage.STOPPING, text=name))
                await self._engine.stop(old)
                tell(ReplacementStep(stage=ReplacementStage.STARTING, text=name))
                await self._engine.start(new)
                tell(ReplacementStep(stage=ReplacementStage.CHECKING, text=name))
                await self._until_well(new)
        except (EngineError, _Failed) as error:
            tell(ReplacementStep(stage=ReplacementStage.RESTORING, text=str(error)))
            await self._restore(intent, new)
            tell(ReplacementStep(stage=ReplacementStage.RESTORED, text=str(error), container_id=old))
            return
        except BaseException:
            # The agent stops: what was there is put back first.
            await asyncio.shield(self._restore(intent, new))
            raise
        tell(ReplacementStep(stage=ReplacementStage.REMOVING, text=f"{name}{OLD_SUFFIX}"))
        try:
            await self._engine.remove(old)
        except EngineError as error:
            # The successor serves; what is left over is only in the way.
            log.warning("container.old_left_over", extra={"container": old, "reason": str(error)})
        tell(ReplacementStep(stage=ReplacementStage.DONE, container_id=new))

    async def settle(self) -> None:
        """Finish what an agent that was killed had begun, or put back what was there.

        What cannot be settled is told of and left for a person. Raises EngineUnavailable: try again later.
        """
        for intent in await self._intents.all():
            if intent.name in self._under_way:
                continue
            self._under_way.add(intent.name)
            extra = {"container": intent.container_id, "container_name": intent.name}
            try:
                outcome = await self._settle(intent)
                log.warning("container.replacement_settled", extra={**extra, "outcome": outcome})
            except (EngineRefused, TimeoutError) as error:
                log.warning("container.replacement_left", extra={**extra, "reason": str(error)})
            finally:
                self._under_way.discard(intent.name)
            await self._intents.forget(intent)

    async def _settle(self, intent: ReplacementIntent) -> str:
        old = await self._find(intent.container_id)
        if old is None:
            return "finished"
        if old.name == intent.name:
            if intent.is_running and not old.state.has_processes:
                await self._engine.start(old.id)
            return "undone"
        new = await self._find(intent.successor_id or intent.name)
        if new is not None and await self._is_good(new, intent):
            await self._engine.remove(old.id)
            return "finished"
        await self._restore(intent, None if new is None else new.id)
        return "undone"

    async def _is_good(self, new: ContainerDetail, intent: ReplacementIntent) -> bool:
        """Whether a successor that was found may stay. Raises EngineRefused for what is none of ours."""
        has_begun = new.state is not ContainerState.CREATED
        if not intent.successor_id and (has_begun or new.created_at_ms < intent.begun_at_ms):
            # Ours is written down before it is started.
            raise EngineRefused(
                f"{intent.name} is another container by now; {intent.name}{OLD_SUFFIX} is the one that was to"
                " be made anew",
                status=409,
            )
        if not intent.is_running:
            # Whole once it is written down: its networks, too.
            return bool(intent.successor_id)
        if not has_begun:
            return False
        try:
            await self._until_well(new.id)
        except _Failed as error:
            log.warning("container.successor_failed", extra={"container": new.id, "reason": str(error)})
            return False
        return True

    async def _find(self, container: str) -> ContainerDetail | None:
        try:
            return await self._engine.inspect(container)
        except ContainerNotFound:
            return None

    async def _note(self, intent: ReplacementIntent) -> None:
        try:
            await self._intents.keep(intent)
        except KeysError as error:
            raise EngineRefused(
                f"{intent.name} is not made anew, as that could not be noted: {error}", status=500
            ) from error

    async def _until_well(self, container: str) -> None:
        """Return when a container is healthy, or runs quietly where it has no check. Raises _Failed."""
        until_s = self._clock.monotonic_s() + HEALTH_TIMEOUT_S
        quiet_since_s: float | None = None
        restarts = 0
        while self._clock.monotonic_s() < until_s:
            seen = await self._engine.inspect(container)
            if seen.state not in (ContainerState.RUNNING, ContainerState.RESTARTING) or (
                seen.restart_count > restarts
            ):
                raise _Failed(await self._last_words(seen))
            match seen.health:
                case Health.HEALTHY:
                    return
                case Health.UNHEALTHY:
                    raise _Failed("its health check fails")
                case Health.NONE:
                    now_s = self._clock.monotonic_s()
                    quiet_since_s = now_s if quiet_since_s is None else quiet_since_s
                    if now_s - quiet_since_s >= SETTLED_S:
                        return
                case Health.STARTING:
                    pass
            await self._clock.sleep(LOOK_INTERVAL_S)
        raise _Failed(f"it was not healthy within {HEALTH_TIMEOUT_S:g} s")

    async def _last_words(self, seen: ContainerDetail) -> str:
        lines = [line.text async for line in self._engine.logs(seen.id, tail=5)]
        said = f": {' | '.join(lines)[:500]}" if lines else ""
        return f"it ended with exit code {seen.exit_code}{said}"

    async def _restore(self, intent: ReplacementIntent, new: str | None) -> None:
        async with asyncio.timeout(RESTORE_TIMEOUT_S):
            if new is not None:
                await self._engine.remove(new, force=True)
            await self._access.rename(intent.container_id, intent.name)
            if intent.is_running:
                await self._engine.start(intent.container_id)
