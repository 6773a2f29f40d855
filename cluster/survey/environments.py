"""What a service's environment adds to what the service says itself."""

from __future__ import annotations

from dataclasses import replace

from cluster.model.environments import Environment
from cluster.model.placing import PlacementRules
from cluster.placement import Amounts, Quota, amounts
from cluster.store import ReadTxn
from cluster.store.records import REVISIONS, SERVICES, find_environment


def rules_in(txn: ReadTxn, environment: str, rules: PlacementRules) -> PlacementRules:
    """Return a service's rules with the hosts of its environment."""
    found = find_environment(txn, environment)
    return rules if found is None else replace(rules, within=found.hosts)


def quota_of(environment: Environment) -> Quota | None:
    """Return what an environment's services may reserve together; None where nothing bounds them."""
    quota = environment.quota
    if (quota.cpu_millis, quota.memory_bytes, quota.replicas) == (None, None, None):
        return None
    return Quota(
        environment=environment.name,
        cpu_millis=quota.cpu_millis,
        memory_bytes=quota.memory_bytes,
        replicas=quota.replicas,
    )


def used_in(txn: ReadTxn, environment: str, *, besides: frozenset[str] = frozenset()) -> Amounts:
    """Return what the services of an environment reserve with all their replicas, without those `besides`."""
    found = []
    for service in SERVICES.scan(txn):
        if service.environment != environment or service.is_removed or service.id in besides:
            continue
        revision = REVISIONS.get(txn, service.id, service.revision)
        if revision is not None:
            found.append((revision.spec, service.replicas))
    return amounts(found)
