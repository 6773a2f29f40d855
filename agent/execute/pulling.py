"""The image of a replica on this host."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from agent.execute.fence import Permit
from agent.execute.replica import Replica
from agent.ports import (
    ContainerEngine,
    ImageNotFound,
    PullProgress,
    PullRefused,
    PullRefusedReason,
    RegistryAuth,
)

_MB = 1_000_000
_DONE = ("Pull complete", "Already exists")

# What another attempt may mend by itself. Anything else is the image's or the login's fault.
_PASSING = frozenset(
    {
        PullRefusedReason.UNREACHABLE,
        PullRefusedReason.RATE_LIMITED,
        PullRefusedReason.STALLED,
        PullRefusedReason.DISK_FULL,
        PullRefusedReason.OTHER,
    }
)


@dataclass(slots=True)
class PullWords:
    """A pull's progress in words, from its steps."""

    image: str
    _layers: dict[str, tuple[int, int, bool]] = field(default_factory=dict)

    def after(self, step: PullProgress) -> str:
        # Docker's first step names the tag where the others name a layer.
        if step.layer and not step.status.startswith("Pulling from"):
            current, total, _ = self._layers.get(step.layer, (0, 0, False))
            is_done = step.status in _DONE
            if step.status == "Downloading":
                current, total = step.current_bytes or current, step.total_bytes or total
            elif is_done:
                current = total
            self._layers[step.layer] = (current, total, is_done)
        done = sum(is_done for _, _, is_done in self._layers.values())
        current_bytes = sum(current for current, _, _ in self._layers.values())
        total_bytes = sum(total for _, total, _ in self._layers.values())
        words = f"pulling {self.image}"
        if self._layers:
            words += f": {done} of {len(self._layers)} layers"
        if total_bytes:
            words += f", {current_bytes / _MB:.1f} of {total_bytes / _MB:.1f} MB"
        return words


async def ensure_image(
    engine: ContainerEngine,
    replica: Replica,
    permit: Permit,
    *,
    on_progress: Callable[[str], None],
    login_of: Callable[[str], RegistryAuth | None] = lambda _: None,
) -> None:
    """Return once the image is on this host, for the platform that is wanted. Raises PullRefused,
    ImageNotFound or Superseded.

    `login_of` an image gives the login for its registry.
    """
    platform = replica.spec.options.platform
    try:
        present = await engine.image(replica.image)
    except ImageNotFound:
        pass
    else:
        if not present.platform or present.platform.startswith(platform):
            return
    permit.check()
    words = PullWords(replica.spec.image)
    on_progress(f"pulling {replica.spec.image}")
    await engine.pull(
        replica.image,
        auth=login_of(replica.image),
        on_progress=lambda step: on_progress(words.after(step)),
        timeout_s=replica.pull_timeout_s,
        platform=platform,
    )


def may_pass(error: PullRefused) -> bool:
    """Whether the same pull may succeed later, without anybody changing the service."""
    return error.reason in _PASSING
