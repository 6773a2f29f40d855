"""Making running containers services, without touching them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass

from cluster.commands.adoption import AdoptContainers, AdoptedContainer
from cluster.model.adoption import AdoptionQuestion, FoundContainer
from cluster.model.ids import NodeId
from cluster.model.inventory import HostUnavailable
from cluster.model.service import Route
from cluster.store import ReadTxn, records
from cluster.survey.adopting import Adoption, AdoptionPlan, plan_adoption
from web.auth.authority import Permit
from web.auth.call import Call
from web.auth.problems import Problem, invalid
from web.tools.context import Context
from web.tools.nodes import find_node, members

ADOPT = "service.adopt"
PROBLEMS_SHOWN = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class AdoptRequest:
    """What to adopt: projects, or containers by name or id, of one host where `node` names it.

    `routes` are `host:port` by service name, under "" that of the only service. `is_forced` accepts what the
    next deployment would take away.
    """

    names: tuple[str, ...]
    node: str = ""
    routes: Mapping[str, str]
    health_path: str = ""
    is_dry_run: bool = False
    is_forced: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class AdoptedReplicaView:
    """One container that is, or would be, a replica."""

    ordinal: int
    node_name: str
    container_name: str
    container_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AdoptedServiceView:
    """One service. `losses` are what the next deployment takes away, because a specification has no place for
    it. `is_new` false: it was adopted before.
    """

    service_id: str
    image: str
    digest: str
    route: str
    replicas: tuple[AdoptedReplicaView, ...]
    losses: tuple[str, ...]
    is_new: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class AdoptionView:
    """What was adopted, or with `dry_run` would be; then `problems` are what stands against it."""

    dry_run: bool
    services: tuple[AdoptedServiceView, ...]
    problems: tuple[str, ...]
    next: str


async def adopt(context: Context, call: Call, request: AdoptRequest) -> AdoptionView:
    """Make running containers the replicas of services. They are neither stopped nor started.

    Nothing is adopted while anything stands against any of it. Raises Problem (404, 409, 422).
    """
    await context.authority.require(call, ADOPT, "service")
    surroundings = context.surroundings
    hosts = {node.id: node.name for node in members(surroundings)}
    asked = [find_node(surroundings, request.node).id] if request.node else sorted(hosts)
    answers = await surroundings.hosts.adoptable(AdoptionQuestion(names=request.names), asked)
    silent = [
        f"{hosts.get(NodeId(node_id), node_id)} cannot be asked what it runs: {answer}"
        for node_id, answer in sorted(answers.items())
        if isinstance(answer, HostUnavailable)
    ]
    found = {
        NodeId(node_id): answer.containers
        for node_id, answer in answers.items()
        if not isinstance(answer, HostUnavailable)
    }
    plan = plan_adoption(found, request.names, hosts=hosts, routes=_routes(request))
    with surroundings.state.read() as txn:
        known = {each.service_id for each in plan.adoptions if _is_adopted(txn, each)}
        taken = [
            f"service {each.service_id} is there already: deploy its Compose file instead"
            for each in plan.adoptions
            if each.service_id not in known and records.SERVICES.get(txn, each.service_id) is not None
        ]
    problems = (*silent, *plan.problems, *taken)
    losing = [each for each in plan.adoptions if each.losses and each.service_id not in known]
    if request.is_dry_run:
        return _view(plan, known, hosts, problems, is_dry_run=True)
    if problems:
        raise Problem(
            "conflict",
            f"nothing was adopted: {'; '.join(problems[:PROBLEMS_SHOWN])}",
            hint="--dry-run shows everything that stands against it; --host leaves other hosts out",
        )
    if losing and not request.is_forced:
        words = "; ".join(f"{each.service_id}: {', '.join(each.losses)}" for each in losing)
        raise Problem(
            "conflict",
            f"nothing was adopted, because the next deployment would take away {words}",
            hint="--force adopts them all the same: nothing changes before that deployment",
        )

    async def change(permit: Permit) -> None:
        for each in plan.adoptions:
            if each.service_id not in known:
                resource = f"service:{each.service_id}"
                await permit.propose(_command(each, call.known().name), resource=resource)
        if not permit.is_recorded:
            permit.nothing_changed()

    names = ",".join(request.names)
    await context.authority.perform(call, ADOPT, f"service:{names}"[:512], change)
    return _view(plan, known, hosts, (), is_dry_run=False)


def _routes(request: AdoptRequest) -> dict[str, Route]:
    routes = {}
    for service, text in request.routes.items():
        host, _, port = text.rpartition(":")
        if not host or not port.isascii() or not port.isdigit():
            raise invalid("routes", "HOST:PORT is needed, the port of the container", value=text)
        try:
            routes[service] = Route(host=host.lower(), port=int(port[:9]), health_path=request.health_path)
        except ValueError as error:
            raise invalid("routes", str(error), value=text) from error
    return routes


def _is_adopted(txn: ReadTxn, adoption: Adoption) -> bool:
    """Whether these very containers are its replicas already."""
    wanted = {container.container_id for _, container in adoption.containers}
    return wanted == {
        copy.adopted_id for copy in records.ASSIGNMENTS.scan(txn, adoption.service_id) if copy.adopted_id
    }


def _command(adoption: Adoption, by: str) -> AdoptContainers:
    return AdoptContainers(
        service_id=adoption.service_id,
        project=adoption.project,
        name=adoption.name,
        spec=adoption.spec,
        containers=tuple(
            AdoptedContainer(node_id=node_id, container_id=container.container_id)
            for node_id, container in adoption.containers
        ),
        created_by=by,
    )


def _view(
    plan: AdoptionPlan,
    known: Set[str],
    hosts: Mapping[NodeId, str],
    problems: Sequence[str],
    *,
    is_dry_run: bool,
) -> AdoptionView:
    services = tuple(
        AdoptedServiceView(
            service_id=each.service_id,
            image=each.spec.image,
            digest=each.spec.digest,
            route="" if each.spec.route is None else f"{each.spec.route.host}:{each.spec.route.port}",
            replicas=tuple(
                _replica(ordinal, hosts[node_id], container)
                for ordinal, (node_id, container) in enumerate(each.containers)
            ),
            losses=each.losses,
            is_new=each.service_id not in known,
        )
        for each in plan.adoptions
    )
    if is_dry_run:
        following = "nothing was changed; without dry_run the containers become services as they run"
    else:
        following = "`tower services` shows them; `tower deploy` of their Compose file replaces them in turn"
    return AdoptionView(dry_run=is_dry_run, services=services, problems=tuple(problems), next=following)


def _replica(ordinal: int, host: str, container: FoundContainer) -> AdoptedReplicaView:
    return AdoptedReplicaView(
        ordinal=ordinal,
        node_name=host,
        container_name=container.name,
        container_id=container.container_id,
    )
