"""Hosts and how they join."""

from __future__ import annotations

from cluster.commands import nodes
from cluster.model.ids import JoinTokenId, NodeId
from cluster.model.node import NodeFacts, NodeRole, NodeStatus
from tests.properties.draws.context import HASH, Choices, Draw


def host_commands(draw: Draw) -> Choices:
    rng, node = draw.rng, draw.node()
    status = rng.choice([NodeStatus.UP, NodeStatus.SUSPECT, NodeStatus.DOWN])
    key, other = rng.sample(["disk", "zone"], 2)
    new = NodeId(rng.choice(["n1", "n2", "n3"]))
    register = lambda: nodes.RegisterNode(  # noqa: E731 (one of a list of choices)
        node_id=new,
        name=rng.choice(["a", str(new), str(new)]),
        address=rng.choice(["a:1", f"{new}:1", f"{new}:1"]),
        api_address="a:2",
        role=rng.choice(list(NodeRole)),
    )
    return [
        register,
        register,
        register,
        lambda: nodes.UpdateNodeFacts(node_id=node, facts=NodeFacts(hostname=rng.choice("xyz"))),
        lambda: nodes.SetNodeStatus(node_id=node, status=status, reason=""),
        lambda: nodes.SetNodeDraining(node_id=node, is_draining=rng.random() < 0.5),
        lambda: nodes.SetNodeMaintenance(
            node_id=node, duration_ms=rng.choice([0, 60_000]), is_given_back=False
        ),
        lambda: nodes.SetNodeMaintenance(node_id=node, duration_ms=0, is_given_back=True),
        lambda: nodes.ConfirmNodeFenced(node_id=node),
        lambda: nodes.SetNodeRole(node_id=node, role=rng.choice(list(NodeRole))),
        lambda: nodes.SetNodeLabels(node_id=node, put=((key, rng.choice("xy")),), remove=(other,)),
        lambda: nodes.RemoveNode(node_id=NodeId("n3"), reason=""),
    ]


def join_commands(draw: Draw) -> Choices:
    rng = draw.rng
    later = rng.choice([draw.now_ms - 1, draw.soon(), draw.soon()])
    token = JoinTokenId(rng.choice(["t1", "t2"]))
    return [
        lambda: nodes.CreateJoinToken(
            token_id=token,
            secret_hash=HASH,
            is_learner=False,
            expires_at_ms=later,
            uses=rng.randint(1, 2),
            created_by="u1",
        ),
        lambda: nodes.RedeemJoinToken(token_id=token, node_id=NodeId(rng.choice(["n4", "n5", "n6"]))),
        lambda: nodes.RevokeJoinToken(token_id=token),
        lambda: nodes.RecordCertificate(
            serial=rng.choice(["0a", "0b"]), node_id=draw.node(), not_after_ms=later
        ),
    ]
