"""The command that a decision becomes."""

from __future__ import annotations

from cluster.commands.services import AssignmentOrder, AssignmentRef, CommitTransition
from cluster.model.service import AssignmentKey
from cluster.rollout import Transition


def command_of(transition: Transition) -> CommitTransition:
    """Return the command that commits `transition`."""
    return CommitTransition(
        service_id=transition.service_id,
        expected_version=transition.expected_version,
        rollout=transition.rollout,
        orders=tuple(
            AssignmentOrder(
                revision=order.key.revision,
                ordinal=order.key.ordinal,
                node_id=order.key.node_id,
                desired=order.desired,
                colour=order.colour,
            )
            for order in transition.orders
        ),
        forget=tuple(_ref(key) for key in transition.forget),
        stable_revision=transition.stable_revision,
        is_service_forgotten=transition.is_service_forgotten,
        green_permille=transition.green_permille,
        kept=transition.kept,
        is_kept_ended=transition.is_kept_ended,
        targeting=transition.targeting,
    )


def _ref(key: AssignmentKey) -> AssignmentRef:
    return AssignmentRef(revision=key.revision, ordinal=key.ordinal, node_id=key.node_id)
