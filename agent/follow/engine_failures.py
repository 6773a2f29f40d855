"""What the engine's failures are to whoever asks a host."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager

from agent.ports import (
    ContainerNotFound,
    EngineError,
    EngineRefused,
    EngineUnavailable,
    ImageNotFound,
)
from agent.ports.access import PathNotFound
from cluster.model.inventory import HostRefused, HostUnavailable

CONFLICT = 409


@contextmanager
def engine_failures(
    *, within_s: float | None = None, conflicts: Collection[int] = (CONFLICT,)
) -> Iterator[None]:
    """Raise HostUnavailable and HostRefused for what the engine raises in the block.

    `within_s` is the time the block is given, for the words. `conflicts` are the statuses with which the
    engine says that what it was asked for does not go together with what there is.
    """
    try:
        yield
    except (ContainerNotFound, ImageNotFound, PathNotFound) as error:
        raise HostRefused(str(error), code="not-found") from error
    except EngineRefused as error:
        raise HostRefused(str(error), code="conflict" if error.status in conflicts else "refused") from error
    except EngineUnavailable as error:
        raise HostUnavailable(str(error)) from error
    except EngineError as error:
        raise HostRefused(str(error), code="refused") from error
    except TimeoutError as error:
        time = "in time" if within_s is None else f"within {within_s:g} s"
        raise HostUnavailable(f"the engine did not finish {time}") from error
