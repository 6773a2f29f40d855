"""What there is one of in a cluster, and its environments."""

from __future__ import annotations

from cluster.commands import audit, environments, nodes, settings
from cluster.model.audit import AuditOutcome, AuditRecord
from cluster.model.environments import Environment
from tests.golden.history import STAMP
from tests.properties.draws.context import Choices, Draw


def cluster_commands(draw: Draw) -> Choices:
    rng = draw.rng
    return [
        lambda: settings.PutSetting(
            key=rng.choice(["k1", "k2"]),
            value=rng.choice([None, "v"]),
            expected_version=rng.choice([None, 0, 1, 2]),
        ),
        lambda: audit.RecordAudit(
            records=(
                AuditRecord(
                    stamp=STAMP,
                    outcome=rng.choice(list(AuditOutcome)),
                    happened_at_ms=draw.now_ms,
                    count=2,
                ),
            )
            * rng.randint(1, 3)
        ),
        lambda: nodes.InitializeCluster(
            cluster_id=rng.choice(["c1", "c2"]), name="n", ca_certificates_pem="pem", sealed_ca_key=b""
        ),
    ]


def environment_commands(draw: Draw) -> Choices:
    rng = draw.rng
    name, before = rng.sample(["qa", "live", "staging"], 2)
    put = lambda: environments.PutEnvironment(  # noqa: E731 (one of a list of choices)
        environment=Environment(
            name=name, requires=rng.choice(["", "", before]), replicas_max=rng.randint(0, 3), changed_by="u1"
        )
    )
    return [put, put, lambda: environments.RemoveEnvironment(name=name)]
