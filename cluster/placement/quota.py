"""How much the services of one environment may reserve together."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from cluster.model.service import ServiceSpec

_MIB = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Amounts:
    """What replicas reserve, and how many they are."""

    cpu_millis: int = 0
    memory_bytes: int = 0
    replicas: int = 0

    def plus(self, spec: ServiceSpec, replicas: int = 1) -> Amounts:
        """Return these and so many replicas made from `spec`."""
        return Amounts(
            cpu_millis=self.cpu_millis + replicas * (spec.resources.cpu_reservation_millis or 0),
            memory_bytes=self.memory_bytes + replicas * (spec.resources.memory_reservation_bytes or 0),
            replicas=self.replicas + replicas,
        )

    def and_also(self, other: Amounts) -> Amounts:
        """Return both together."""
        return Amounts(
            cpu_millis=self.cpu_millis + other.cpu_millis,
            memory_bytes=self.memory_bytes + other.memory_bytes,
            replicas=self.replicas + other.replicas,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Quota:
    """Bounds on the services of `environment` together; None: no bound."""

    environment: str
    cpu_millis: int | None = None
    memory_bytes: int | None = None
    replicas: int | None = None

    def refuse(self, asked: Amounts, *, others: Amounts | None = None) -> str | None:
        """Return why so much is too much, for people; None when it is not.

        With `others`, the part of `asked` that is reserved already, it is said how much is left.
        """
        over: list[str] = []
        if self.replicas is not None and asked.replicas > self.replicas:
            left = _left(None if others is None else others.replicas, self.replicas, "{}")
            over.append(f"{asked.replicas} replicas, of {self.replicas} allowed{left}")
        if self.cpu_millis is not None and asked.cpu_millis > self.cpu_millis:
            left = _left(None if others is None else others.cpu_millis / 1000, self.cpu_millis / 1000, "{:g}")
            over.append(
                f"{asked.cpu_millis / 1000:g} CPU reserved, of {self.cpu_millis / 1000:g} allowed{left}"
            )
        if self.memory_bytes is not None and asked.memory_bytes > self.memory_bytes:
            used = None if others is None else -(-others.memory_bytes // _MIB)
            left = _left(used, self.memory_bytes // _MIB, "{} MiB")
            over.append(
                f"{-(-asked.memory_bytes // _MIB)} MiB reserved, of {self.memory_bytes // _MIB} MiB"
                f" allowed{left}"
            )
        return f"the quota of {self.environment}: {'; '.join(over)}" if over else None


def amounts(wanted: Iterable[tuple[ServiceSpec, int]]) -> Amounts:
    """Return what services reserve when each has its replicas: (specification, how many).

    Wanted replicas, not the containers there are: the second container of a replica that is being replaced
    does not count, or an environment at its quota could never be updated.
    """
    total = Amounts()
    for spec, replicas in wanted:
        total = total.plus(spec, replicas)
    return total


def _left(used: float | None, bound: float, form: str) -> str:
    if used is None:
        return ""
    return f" ({form.format(used)} used by others, {form.format(max(bound - used, 0))} free)"
