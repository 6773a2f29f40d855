"""What somebody sees of the cluster: the one place that surfaces ask before they show any of it."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, fields, replace

from cluster.model.ids import environment_of, name_in
from cluster.model.metrics import Subject, SubjectKind
from cluster.rbac import ACTIONS, Resource, Target
from cluster.store import records
from web.auth.call import Call
from web.auth.powers import ActionSight, Powers
from web.auth.targets import service_target
from web.tools.context import Context
from web.tools.row_rights import CONTAINER_ACTIONS, SERVICE_ACTIONS, RowRights, row_rights
from web.tools.targets import container_target, node_target
from web.tools.views import ContainerView, ServiceView


@dataclass(frozen=True, slots=True, eq=False)
class Sight:
    """What somebody sees. Sights of equal `key` see the same, so answers may be shared between them.

    Each of the rest is null where everything of its kind is seen: `sees` a container, `measures` its
    numbers, `service` a service by its id, `rollout` one of that service, `node` a host by its id,
    `host_numbers` a host's own numbers, `alert` and `event` by the ids of host and service and the name of a
    container ("" for none). `container_rights` and `service_rights` say what may be done to each; null where
    that is the same for all of them.
    """

    key: Hashable = None
    sees: Callable[[ContainerView], bool] | None = None
    measures: Callable[[ContainerView], bool] | None = None
    service: Callable[[str], bool] | None = None
    rollout: Callable[[str], bool] | None = None
    node: Callable[[str], bool] | None = None
    host_numbers: Callable[[str], bool] | None = None
    alert: Callable[[str, str, str], bool] | None = None
    event: Callable[[str, str, str], bool] | None = None
    container_rights: Callable[[ContainerView], tuple[str, ...]] | None = None
    service_rights: Callable[[str], tuple[str, ...]] | None = None

    def with_container_rights(self, view: ContainerView) -> ContainerView:
        """Return a container that says what may be done to it."""
        return view if self.container_rights is None else replace(view, can=self.container_rights(view))

    def with_service_rights(self, view: ServiceView) -> ServiceView:
        """Return a service that says what may be done to it."""
        return view if self.service_rights is None else replace(view, can=self.service_rights(view.id))

    @property
    def is_everything(self) -> bool:
        """Whether nothing is left out."""
        return all(getattr(self, each.name) is None for each in fields(self) if each.name != "key")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sight) and self.key == other.key

    def __hash__(self) -> int:
        return hash(self.key)


EVERYTHING = Sight()


def sight_of(context: Context, call: Call) -> Sight:
    """Return what the caller sees at this moment."""
    powers = context.authority.powers(call)
    looks = _Looks(
        context, powers, row_rights(powers, CONTAINER_ACTIONS), row_rights(powers, SERVICE_ACTIONS)
    )
    all_of = powers.is_unlimited
    limited = Sight(
        key=powers.key,
        sees=None if all_of("container.read") else looks.container,
        measures=None if all_of("metrics.read") else looks.numbers,
        service=None if all_of("service.read") else looks.service,
        rollout=None if all_of("rollout.read") else looks.rollout,
        node=None if all_of("node.read") else looks.node,
        host_numbers=None if all_of("metrics.read") else looks.host_numbers,
        alert=None if all_of("alert.read") else looks.alert,
        event=None if all_of("event.read") else looks.event,
        container_rights=None if looks.of_containers is None else looks.container_rights,
        service_rights=None if looks.of_services is None else looks.service_rights,
    )
    return EVERYTHING if limited.is_everything else limited


@dataclass(frozen=True, slots=True)
class _Looks:
    context: Context
    powers: Powers
    of_containers: RowRights | None
    of_services: RowRights | None

    def container_rights(self, view: ContainerView) -> tuple[str, ...]:
        return () if self.of_containers is None else self.of_containers.of(container_target(view))

    def service_rights(self, service_id: str) -> tuple[str, ...]:
        target = about(self.context, Resource.SERVICE, "", service_id, "")
        return () if self.of_services is None else self.of_services.of(target)

    def container(self, view: ContainerView) -> bool:
        return self._may("container.read", container_target(view))

    def numbers(self, view: ContainerView) -> bool:
        return self._may("metrics.read", container_target(view, kind=Resource.METRICS))

    def service(self, service_id: str) -> bool:
        return self._may("service.read", about(self.context, Resource.SERVICE, "", service_id, ""))

    def rollout(self, service_id: str) -> bool:
        return self._may("rollout.read", about(self.context, Resource.ROLLOUT, "", service_id, ""))

    def node(self, node_id: str) -> bool:
        return self._may("node.read", about(self.context, Resource.NODE, node_id, "", ""))

    def host_numbers(self, node_id: str) -> bool:
        return self._may("metrics.read", about(self.context, Resource.METRICS, node_id, "", ""))

    def alert(self, node_id: str, service_id: str, container: str) -> bool:
        return self._may("alert.read", about(self.context, Resource.ALERT, node_id, service_id, container))

    def event(self, node_id: str, service_id: str, container: str) -> bool:
        return self._may("event.read", about(self.context, Resource.EVENT, node_id, service_id, container))

    def _may(self, action: str, target: Target) -> bool:
        return self.powers.decide(action, target).allowed


def about(context: Context, kind: Resource, node_id: str, service_id: str, container: str) -> Target:
    """Return what something that is told of a host, a service or a container is to permissions.

    What was told stays when its container is gone, so only the service's labels are known.
    """
    with context.surroundings.state.read() as txn:
        node = records.NODES.get(txn, node_id) if node_id else None
        service = records.SERVICES.get(txn, service_id) if service_id else None
        target = node_target(node_id, "" if node is None else node.name, kind=kind)
        if not node_id:
            target = Target(kind=kind)
        if service is not None:
            of_service = service_target(txn, service, kind=kind)
            target = replace(of_service, node_id=target.node_id, node_name=target.node_name)
        elif service_id:
            environment = environment_of(service_id)
            target = replace(
                target,
                id=service_id,
                name=service_id,
                project=service_id.split(".")[-2] if "." in service_id else "",
                service=name_in(service_id),
                service_id=service_id,
                environment=environment,
            )
    if container:
        name = f"{target.node_name}/{container}" if target.node_name else container
        target = replace(target, name=name)
    return target


def measured_sight(
    context: Context, call: Call, containers: list[ContainerView]
) -> Callable[[Subject], bool] | None:
    """Return what tells whether the caller may see the numbers of something measured; None: all of it.

    `containers` are those there are; of one that is gone only its service is known.
    """
    sight: ActionSight = context.authority.sight(call, "metrics.read")
    if sight.is_everything:
        return None
    known = {(view.node_id, view.id): view for view in containers}

    def sees(subject: Subject) -> bool:
        definition = subject.definition
        view = known.get((definition.node_id, definition.key))
        if view is not None:
            return sight.sees(container_target(view, kind=Resource.METRICS))
        name = definition.name if definition.kind is SubjectKind.CONTAINER else ""
        service_id = definition.label("service")
        return sight.sees(about(context, Resource.METRICS, definition.node_id, service_id, name))

    return sees


async def require_whole(context: Context, call: Call, actions: Sequence[str], what: str) -> None:
    """Refuse a caller who may not do all actions to everything of their kind, saying that `what` is about all
    of it. Raises Problem (403), recorded.
    """
    for action in actions:
        kind = ACTIONS[action].resource.value
        decision = context.authority.decide(call, action, kind)
        if not decision.allowed and context.authority.could(call, action).allowed:
            reason = f"{what} is about the whole cluster, and you may see a part of it: {decision.reason}"
            await context.authority.refuse(call, action, kind, reason)
        await context.authority.require(call, action, kind)
