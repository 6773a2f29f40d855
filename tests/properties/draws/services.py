"""Services as people ask for them."""

from __future__ import annotations

from typing import Any

from cluster.commands import services
from cluster.commands.adoption import AdoptContainers, AdoptedContainer
from cluster.model.autoscaling import AutoscalePolicy, ScaleMetric, ScaleTarget
from cluster.model.experiment import Experiment
from cluster.model.service import Aim, DesiredState, Fencing, ServiceSpec
from cluster.store.records import ASSIGNMENTS, REVISIONS, SERVICES
from tests.properties.draws.context import NAMED, Choices, Draw, Named
from tests.properties.draws.files import references

AUTOSCALE = AutoscalePolicy(
    replicas_min=1, replicas_max=3, targets=(ScaleTarget(metric=ScaleMetric.CPU, value=70),)
)

EXPERIMENT = Experiment(replicas=1, permille=100, is_sticky=True)


def service_commands(draw: Draw) -> Choices:
    rng, named, new = draw.rng, draw.named(), draw.rng.choice(NAMED)
    put = lambda: services.PutService(  # noqa: E731 (one of a list of choices)
        **new.fields, **wanted(draw), expected_version=draw.version(new.id)
    )
    changes: Choices = [
        put,
        lambda: services.AttemptRevision(
            service_id=named.id,
            revision=rng.choice(revisions(draw, named)),
            aim=rng.choice([aim for aim in Aim if aim is not Aim.EXPERIMENT]),
            by="u1",
            expected_version=draw.version(named.id),
        ),
        lambda: services.ScaleService(
            service_id=named.id,
            replicas=rng.randint(0, 3),
            expected_version=draw.version(named.id),
            by="u1",
            is_held=rng.random() < 0.5,
        ),
        lambda: services.SetSplit(
            service_id=named.id,
            green_permille=rng.choice([0, 0, 500, 1000]),
            by="u1",
            expected_version=draw.version(named.id),
        ),
        lambda: _move(draw, named),
        lambda: services.StartExperiment(
            service_id=named.id,
            spec=wanted(draw)["spec"],
            experiment=EXPERIMENT,
            by="u1",
            expected_version=draw.version(named.id),
        ),
    ]
    # Not so often, or most services would be on their way out.
    rarer: Choices = [
        lambda: services.RemoveService(service_id=named.id, expected_version=draw.version(named.id)),
        lambda: _adoption(draw),
    ]
    return [*changes, *changes, *rarer]


def wanted(draw: Draw) -> dict[str, Any]:
    """What a service is to be, besides its name."""
    rng = draw.rng
    return {
        "spec": ServiceSpec(image=rng.choice(["i:1", "i:2", "i:3"]), **references(draw)),
        "replicas": rng.randint(0, 3),
        "fencing": rng.choice([Fencing.NONE, Fencing.NONE, Fencing.STRICT]),
        "autoscale": rng.choice([None, None, AUTOSCALE]),
    }


def revisions(draw: Draw, named: Named) -> list[int]:
    """The revisions there are, or a number that there is not."""
    return [revision.number for revision in REVISIONS.scan(draw.txn, named.id)] or [1]


def _move(draw: Draw, named: Named) -> services.MoveReplicas:
    copies = [
        services.AssignmentRef(revision=copy.revision, ordinal=copy.ordinal, node_id=copy.node_id)
        for copy in ASSIGNMENTS.scan(draw.txn, named.id)
        if copy.desired is not DesiredState.REMOVED or draw.rng.random() < 0.1
    ]
    return services.MoveReplicas(
        service_id=named.id, copies=tuple(copies[:2]), expected_version=draw.version(named.id)
    )


def _adoption(draw: Draw) -> AdoptContainers:
    """Of a service that is not there yet, if there is one."""
    rng = draw.rng
    plain = [named for named in NAMED if not named.environment]
    free = [named for named in plain if SERVICES.get(draw.txn, named.id) is None]
    one = rng.choice(free or plain)
    count = rng.randint(1, 2)
    return AdoptContainers(
        service_id=one.id,
        project=one.project,
        name=one.name,
        spec=ServiceSpec(image="i:1", **references(draw)),
        containers=tuple(
            AdoptedContainer(node_id=draw.node(), container_id=each * 64)
            for each in rng.sample("abcd", count)
        ),
        created_by="u1",
    )
