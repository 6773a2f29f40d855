"""Every action there is, the kind of resource it takes, and the least role that may do it.

An action that is not here is allowed to nobody.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from cluster.model.access import Role


class Resource(StrEnum):
    """Kinds of things actions are done to."""

    CLUSTER = "cluster"
    NODE = "node"
    JOIN_TOKEN = "join-token"  # noqa: S105 (a kind of resource)
    SETTING = "setting"
    CONTAINER = "container"
    IMAGE = "image"
    VOLUME = "volume"
    NETWORK = "network"
    SERVICE = "service"
    ROLLOUT = "rollout"
    METRICS = "metrics"
    USER = "user"
    API_TOKEN = "api-token"  # noqa: S105 (a kind of resource)
    ACCOUNT = "account"
    PROVIDER = "provider"
    AUDIT = "audit"
    SECRET = "secret"  # noqa: S105 (a kind of resource)
    CONFIG = "config"
    REGISTRY = "registry"
    CERTIFICATE = "certificate"
    ENVIRONMENT = "environment"
    WINDOW = "window"
    ALERT = "alert"
    ALERT_RULE = "alert-rule"
    SILENCE = "silence"
    EVENT = "event"
    WEBHOOK = "webhook"
    EXPORT = "export"
    ROLE = "role"
    BINDING = "binding"
    PLAN = "plan"
    ASSISTANT = "assistant"


@dataclass(frozen=True, slots=True)
class Action:
    """One action. `name` is `<resource>.<verb>`; only `changes_state` actions are mutations."""

    name: str
    resource: Resource
    role: Role
    changes_state: bool


def _actions() -> tuple[Action, ...]:
    reads: dict[Role, dict[Resource, tuple[str, ...]]] = {
        # One's own, and those about what one sees.
        Role.NONE: {
            Resource.ACCOUNT: ("read",),
            Resource.PLAN: ("read",),
            Resource.ASSISTANT: ("read",),
        },
        Role.VIEWER: {
            Resource.CLUSTER: ("read",),
            Resource.NODE: ("read",),
            Resource.SETTING: ("read",),
            Resource.CONTAINER: ("read", "logs"),
            Resource.IMAGE: ("read",),
            Resource.VOLUME: ("read",),
            Resource.NETWORK: ("read",),
            Resource.SERVICE: ("read",),
            Resource.ROLLOUT: ("read",),
            Resource.METRICS: ("read",),
            Resource.SECRET: ("read",),
            Resource.CONFIG: ("read",),
            Resource.ENVIRONMENT: ("read",),
            Resource.CERTIFICATE: ("read",),
            Resource.WINDOW: ("read",),
            Resource.ALERT: ("read",),
            Resource.ALERT_RULE: ("read",),
            Resource.SILENCE: ("read",),
            Resource.EVENT: ("read",),
        },
        # Inspecting shows environment values, which hold secrets.
        Role.OPERATOR: {
            Resource.CONTAINER: ("inspect",),
            # What would go wrong tells of ports, programs and paths of the hosts.
            Resource.SERVICE: ("inspect", "validate"),
            # Whoever deploys a container with a secret can have it told: this is the only way to read one.
            Resource.SECRET: ("use",),
            Resource.CONFIG: ("inspect", "use"),
            Resource.REGISTRY: ("read",),
            # Addresses of receivers are secrets of some chats; logs hold what receivers answered.
            Resource.WEBHOOK: ("read",),
            Resource.EXPORT: ("read",),
        },
        Role.ADMIN: {
            # What is in its files may be its secrets: each look leaves an entry, though it changes nothing.
            Resource.CONTAINER: ("read-files",),
            Resource.JOIN_TOKEN: ("read",),
            Resource.USER: ("read",),
            Resource.PROVIDER: ("read",),
            Resource.API_TOKEN: ("read",),
            Resource.AUDIT: ("read",),
            Resource.ROLE: ("read",),
            Resource.BINDING: ("read",),
        },
    }
    changes: dict[Role, dict[Resource, tuple[str, ...]]] = {
        # One's own password, logins and tokens: a token holds at most its owner's role.
        Role.NONE: {
            Resource.ACCOUNT: (
                "set-password",
                "end-login",
                "create-token",
                "revoke-token",
                "enrol-second-factor",
                "remove-second-factor",
                "renew-recovery-codes",
            ),
            # What is asked for has an action of its own, which decides. A role that denies `plan.skip` has
            # its programs do nothing without a plan.
            Resource.PLAN: ("make", "withdraw", "skip"),
            # Whoever answers knows and does what the asker may; conversations are their asker's alone.
            Resource.ASSISTANT: ("ask", "forget"),
        },
        Role.OPERATOR: {
            Resource.NODE: ("drain", "maintain"),
            Resource.CONTAINER: ("start", "stop", "restart", "update"),
            Resource.IMAGE: ("pull",),
            Resource.SERVICE: (
                "deploy",
                "skip-analysis",
                "promote",
                "rollback",
                "switch-traffic",
                "start-experiment",
                "end-experiment",
                "scale",
                "restart",
                "rebalance",
                # Deploying later, or by itself: it is asked again then whether its owner may deploy.
                "schedule",
                "watch",
            ),
            Resource.ROLLOUT: ("approve", "pause", "resume", "promote", "abort", "retry"),
            Resource.SECRET: ("put",),
            Resource.CONFIG: ("put",),
            # Stopping is not what has to be prevented.
            Resource.WINDOW: ("freeze",),
            Resource.CERTIFICATE: ("put",),
            Resource.ALERT: ("acknowledge",),
            # A silence ends by itself, and says who wanted it; a rule that is gone is missed by nobody.
            Resource.SILENCE: ("put", "end"),
            Resource.WEBHOOK: ("ping", "replay"),
            # Besides what the plan does.
            Resource.PLAN: ("approve", "refuse"),
        },
        Role.ADMIN: {
            Resource.CLUSTER: ("transfer-leadership", "recover"),
            # Labels decide which hosts a service may be on. A host that is wrongly said to be off runs twice
            # what must not.
            Resource.NODE: ("join", "remove", "set-role", "label", "fence"),
            Resource.JOIN_TOKEN: ("create", "revoke"),
            Resource.SETTING: ("write",),
            # Inside it are its secrets, and what it may do is done by who is inside; made anew it can be
            # given host paths, as through `service.deploy-host-access`.
            Resource.CONTAINER: ("remove", "exec", "write-files", "reveal", "recreate"),
            Resource.IMAGE: ("remove",),
            Resource.VOLUME: ("remove",),
            Resource.NETWORK: ("remove",),
            # Bind mounts, published ports and the engine's socket are ways out of a container.
            Resource.SERVICE: ("remove", "adopt", "deploy-host-access", "override-window"),
            Resource.USER: (
                "create",
                "remove",
                "set-password",
                "set-role",
                "end-logins",
                "reset-second-factor",
                "forget-failures",
            ),
            # Whoever says who somebody is, and with which role.
            Resource.PROVIDER: ("put", "remove"),
            Resource.API_TOKEN: ("create", "revoke"),
            # Nobody gives by them what they do not hold.
            Resource.ROLE: ("put", "remove"),
            Resource.BINDING: ("put", "remove"),
            # What was done is taken out of the cluster: that leaves an entry, unlike reading.
            Resource.AUDIT: ("export",),
            # What is removed cannot be had again.
            Resource.SECRET: ("remove",),
            Resource.CONFIG: ("remove",),
            Resource.REGISTRY: ("login", "logout"),
            # What the dashboard itself is served with is not for who serves routes.
            Resource.CERTIFICATE: ("remove", "serve-dashboard", "stop-serving-dashboard"),
            # Quotas, hosts and approval are bounds on what operators do.
            Resource.ENVIRONMENT: ("put", "remove"),
            Resource.WINDOW: ("put", "remove", "unfreeze"),
            Resource.ALERT_RULE: ("put", "remove"),
            # What happens here is sent there.
            Resource.WEBHOOK: ("put", "remove"),
            Resource.EXPORT: ("put", "remove"),
            Resource.METRICS: ("import",),
        },
    }
    return tuple(
        Action(f"{resource}.{verb}", resource, role, changes_state)
        for table, changes_state in ((reads, False), (changes, True))
        for role, resources in table.items()
        for resource, verbs in resources.items()
        for verb in verbs
    )


ACTIONS: Mapping[str, Action] = MappingProxyType({action.name: action for action in _actions()})
"""By name."""

assert len(ACTIONS) == len(_actions())
