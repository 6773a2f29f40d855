"""How what runs differs from what was asked for, over all services."""

from __future__ import annotations

from dataclasses import dataclass

from cluster.store import records
from web.auth.call import Call
from web.tools.context import Context
from web.tools.drift import DriftKind, reality_of
from web.tools.nodes import names_in
from web.tools.visibility import sight_of


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceDriftView:
    """One container of a service that is not as the cluster has it. `words` say it for people."""

    service_id: str
    kind: DriftKind
    node_name: str
    container_name: str
    words: str


async def list_drift(context: Context, call: Call) -> list[ServiceDriftView]:
    """Return what differs, by service, host and container; only of services the caller may see.

    A host that cannot be asked proves nothing: its containers are not in the answer. Raises Problem.
    """
    await context.authority.admit(call, "service.read", "service")
    sees = sight_of(context, call).service
    # First, because nothing may be waited for while the state is read.
    hosts = await context.views.read(patience_s=context.pace.list_patience_s)
    found: list[ServiceDriftView] = []
    with context.surroundings.state.read() as txn:
        names = names_in(txn)
        for service in records.SERVICES.scan(txn):
            if sees is not None and not sees(service.id):
                continue
            reality = reality_of(
                service.id,
                records.ASSIGNMENTS.scan(txn, service.id),
                {each.number: each.spec for each in records.REVISIONS.scan(txn, service.id)},
                hosts,
                names,
            )
            found += (
                ServiceDriftView(
                    service_id=service.id,
                    kind=each.kind,
                    node_name=each.node_name,
                    container_name=each.container_name,
                    words=each.words,
                )
                for each in reality.drift
            )
    return sorted(found, key=drift_key)


def drift_key(view: ServiceDriftView) -> tuple[str, str, str]:
    """Return a difference's place in the list."""
    return (view.service_id, view.node_name, view.container_name)
