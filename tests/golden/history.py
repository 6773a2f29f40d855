"""One command of every kind, in an order in which all of them apply: the log the golden files were made from.

Only ever appended to. Changing a command here changes bytes that stand for what old logs hold.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from cluster.commands import (
    Envelope,
    access,
    adoption,
    alerts,
    assistant,
    audit,
    environments,
    exports,
    leadership,
    metrics,
    nodes,
    permissions,
    plans,
    route_certificates,
    schedules,
    second_factors,
    secrets,
    services,
    settings,
    sign_in,
    watching,
    web_certificates,
    webhooks,
    windows,
)
from cluster.model.access import Role, TokenUse
from cluster.model.alerts import (
    Alert,
    AlertMatcher,
    AlertPhase,
    AlertRule,
    AlertSubject,
    RuleKind,
    RuleScope,
    Silence,
    Threshold,
    Told,
)
from cluster.model.audit import AuditOutcome, AuditRecord, AuditStamp
from cluster.model.autoscaling import AUTOSCALING, AutoscalePolicy, ScaleMetric, ScaleTarget
from cluster.model.environments import Environment, EnvironmentQuota
from cluster.model.events import Severity
from cluster.model.experiment import Experiment, ExperimentRun, Match, MatchKind
from cluster.model.exports import Export, ExportAuth, ExportKind
from cluster.model.hooks import Hook, HookKind, HookPhase, HookRun
from cluster.model.ids import JoinTokenId, LoginId, NodeId, PrincipalId, RolloutId, ServiceId, TokenPrefix
from cluster.model.metric_limits import MetricLimit
from cluster.model.metrics import SubjectDefinition, SubjectKind, SubjectRef
from cluster.model.node import NodeFacts, NodeRole, NodeStatus
from cluster.model.permissions import (
    AccessScope,
    Binding,
    CustomRole,
    Holder,
    HolderKind,
    Hours,
    Permission,
    PermissionEffect,
)
from cluster.model.placing import HostSet, parse_constraint
from cluster.model.plans import BlastRadius, Plan, PlanChange, PlanState, PlanVerdict
from cluster.model.rollout import ReplicaProgress, Rollout, RolloutPhase, Stage, StagePhase, Steer, StepPhase
from cluster.model.schedules import Asker, CatchUp, DeploySchedule, RunOutcome, ScheduledService
from cluster.model.secrets import FileKind
from cluster.model.service import (
    Aim,
    DesiredState,
    FailureAction,
    Fencing,
    FileReference,
    HealthCheck,
    Kept,
    Observation,
    PortProtocol,
    PublishedPort,
    ReplicaPhase,
    Resources,
    RolloutPolicy,
    Route,
    ServiceSpec,
    VolumeKind,
    VolumeMount,
)
from cluster.model.sign_in import GroupRole, SignInProvider
from cluster.model.strategy import Analysis, Canary, Colour, Shift, Strategy, TrafficStep
from cluster.model.watching import WatchRules
from cluster.model.webhooks import (
    Attempt,
    Backoff,
    FailureKind,
    RetryPolicy,
    SealedSecret,
    Webhook,
    WebhookAuth,
)
from cluster.model.windows import ChangeWindow, Freeze, Scope, ScopeKind, Span, WindowKind

START_MS = 1_800_000_000_000
HOUR_MS = 3_600_000
TERM = 3
WEB = ServiceId("shop.web")
WIKI = ServiceId("legacy.wiki")
N1, N2 = NodeId("n_01"), NodeId("n_02")
EXPORT_INDEX = 113
EXPORT_PAST_MS = START_MS + EXPORT_INDEX * 1000 - 86_400_000
"""Where the export stands when it is made."""
FIRST_SENT = 20
"""The sequence of the first event that a webhook is sent."""

EXPERIMENT = Experiment(
    replicas=1,
    matches=(Match(kind=MatchKind.HEADER, name="X-Beta", value="yes"),),
    permille=100,
    is_sticky=True,
    for_ms=HOUR_MS,
)

STAMP = AuditStamp(
    principal="u_ann",
    principal_name="ann",
    action="service.deploy",
    resource="service:shop.web",
    is_allowed=True,
    reason="role admin includes service.deploy",
    ip="192.0.2.7",
    user_agent="tower/0.1",
    duration_ms=12,
    request_id="rq_01",
    node="n_01",
)

FULL_SPEC = ServiceSpec(
    image="registry.example/shop/web:1.8.2",
    digest="sha256:" + "ab" * 32,
    command=("serve", "--port", "8080"),
    environment=(("GREETING", "hello, wörld"), ("MODE", "production")),
    ports=(PublishedPort(container_port=9090, protocol=PortProtocol.UDP, host_port=0, host_ip="127.0.0.1"),),
    volumes=(
        VolumeMount(kind=VolumeKind.VOLUME, target="/data", source="shop-data"),
        VolumeMount(kind=VolumeKind.BIND, target="/etc/shop", source="/srv/shop", is_read_only=True),
        VolumeMount(kind=VolumeKind.TMPFS, target="/tmp"),
    ),
    healthcheck=HealthCheck(
        test=("CMD", "/app/health"),
        interval_ms=2000,
        timeout_ms=1000,
        retries=5,
        start_period_ms=20_000,
        start_interval_ms=500,
    ),
    resources=Resources(
        cpu_limit_millis=1000,
        memory_limit_bytes=512 * 1024**2,
        cpu_reservation_millis=250,
        memory_reservation_bytes=256 * 1024**2,
    ),
    labels=(("team", "shop"),),
    stop_grace_period_ms=40_000,
    route=Route(host="shop.example", port=8080, health_path="/up"),
)

POLICY = RolloutPolicy(
    max_surge=2,
    max_unavailable=1,
    start_deadline_ms=60_000,
    pull_deadline_ms=300_000,
    progress_deadline_ms=400_000,
    monitor_ms=5000,
    drain_timeout_ms=20_000,
    retries=2,
    failure_action=FailureAction.PAUSE,
)


def _rollout(phase: RolloutPhase, step: int, *replicas: ReplicaProgress) -> Rollout:
    return Rollout(
        id=RolloutId("ro_01"),
        service_id=WEB,
        from_revision=0,
        to_revision=1,
        phase=phase,
        step=step,
        started_at_ms=START_MS,
        changed_at_ms=START_MS + step,
        deadline_ms=START_MS + 600_000,
        failures=0,
        replicas=replicas,
        reason="first deployment",
    )


MEMORY_ALERT = Alert(
    rule_id="shop-memory",
    kind=RuleKind.THRESHOLD,
    subject=AlertSubject(
        kind="container",
        key="container:n_01:abc",
        name="web-1",
        node_id="n_01",
        node_name="alpha",
        service_id="shop.web",
        environment="staging",
        labels=(("project", "shop"),),
    ),
    severity=Severity.CRITICAL,
    phase=AlertPhase.FIRING,
    since_ms=START_MS,
    judged_ms=START_MS + 600_000,
    text="Container web-1 on alpha uses 97 % of its memory limit.",
    hint="give it more memory",
    usual="At this hour it is 40 % on most days.",
    value=97.25,
    labels=(("team", "shop"),),
    fired_at_ms=START_MS + 600_000,
    is_flapping=True,
)
HOST_ALERT = Alert(
    rule_id="host-down",
    kind=RuleKind.HOST_DOWN,
    subject=AlertSubject(kind="host", key="host:n_02", name="beta", node_id="n_02", node_name="beta"),
    severity=Severity.CRITICAL,
    phase=AlertPhase.PENDING,
    since_ms=START_MS,
    judged_ms=START_MS,
)

PLAN = Plan(
    id="pl_01",
    tool="scale-service",
    title="Scale a service",
    asker=Asker(name="ann", principal_id="us_ann", token_prefix="aaaa"),
    via="mcp",
    action="service.scale",
    resource="service:shop.web",
    summary="shop.web goes from 2 to 3 replicas",
    sealed_arguments=b"sealed",
    fingerprint="ab" * 32,
    expires_at_ms=START_MS + 24 * HOUR_MS,
    told=(("replicas", "3"), ("service", "shop.web")),
    changes=(PlanChange(subject="shop.web", field="replicas", before="2", after="3", effect="in-place"),),
    touches=BlastRadius(services=("shop.web",), containers=("tower-shop.web-1-0",), hosts=("h1",)),
    notes=("its file says 2",),
    reason="a program asks for it",
    look_at="get-deploy-status with service=shop.web",
)

EXCHANGE = assistant.KeepExchange(
    principal_id="us_faye",
    conversation_id="cv_01",
    number=1,
    sealed_title=b"title",
    sealed=b"exchange",
    asked_at_ms=START_MS,
    tokens=1234,
)

COMMANDS: tuple[tuple[str, Any], ...] = (
    ("take-leadership", leadership.TakeLeadership(term=TERM, node_id=N1)),
    (
        "initialize-cluster",
        nodes.InitializeCluster(
            cluster_id="cl_01",
            name="prod",
            ca_certificates_pem="-----BEGIN-----\n",
            sealed_ca_key=b"\x00sealed",
        ),
    ),
    (
        "register-node",
        nodes.RegisterNode(
            node_id=N1,
            name="alpha",
            address="192.0.2.1:7444",
            api_address="alpha.example:7443",
            role=NodeRole.VOTER,
        ),
    ),
    (
        "register-node/learner",
        nodes.RegisterNode(
            node_id=N2,
            name="beta",
            address="[2001:db8::2]:7444",
            api_address="[2001:db8::2]:7443",
            role=NodeRole.LEARNER,
        ),
    ),
    (
        "update-node-facts",
        nodes.UpdateNodeFacts(
            node_id=N1,
            facts=NodeFacts(
                hostname="alpha",
                os_name="Debian GNU/Linux",
                os_version="13",
                kernel="6.12.0",
                arch="x86_64",
                cpu_count=8,
                memory_bytes=16 * 1024**3,
                disk_bytes=500 * 10**9,
                boot_id="b1",
                machine_id="m1",
                docker_version="28.0.1",
                agent_version="0.1.0",
                labels=(("zone", "a"),),
            ),
        ),
    ),
    (
        "set-node-status",
        nodes.SetNodeStatus(node_id=N2, status=NodeStatus.SUSPECT, reason="no beat for 1.5 s"),
    ),
    ("set-node-draining", nodes.SetNodeDraining(node_id=N2, is_draining=True)),
    ("set-node-role", nodes.SetNodeRole(node_id=N2, role=NodeRole.VOTER)),
    (
        "put-setting",
        settings.PutSetting(key="cluster.node_down_after_ms", value="4000", expected_version=0),
    ),
    ("put-setting/removed", settings.PutSetting(key="cluster.unused", value=None)),
    (
        "create-join-token",
        nodes.CreateJoinToken(
            token_id=JoinTokenId("jt_01"),
            secret_hash=bytes(range(32)),
            is_learner=True,
            expires_at_ms=START_MS + HOUR_MS,
            uses=2,
            created_by="u_ann",
        ),
    ),
    ("redeem-join-token", nodes.RedeemJoinToken(token_id=JoinTokenId("jt_01"), node_id=NodeId("n_03"))),
    ("revoke-join-token", nodes.RevokeJoinToken(token_id=JoinTokenId("jt_01"))),
    (
        "record-certificate",
        nodes.RecordCertificate(serial="0a1b2c", node_id=N1, not_after_ms=START_MS + 90 * 24 * HOUR_MS),
    ),
    (
        "put-setup-token",
        access.PutSetupToken(secret_hash=b"\x11" * 32, expires_at_ms=START_MS + HOUR_MS),
    ),
    (
        "create-user",
        access.CreateUser(
            principal_id=PrincipalId("u_ann"),
            name="Ann",
            role=Role.ADMIN,
            password_hash="$argon2id$v=19$m=19456,t=2,p=1$c2FsdA$aGFzaA",
            setup_secret_hash=b"\x11" * 32,
        ),
    ),
    (
        "create-user/no-password",
        access.CreateUser(
            principal_id=PrincipalId("u_bot"), name="bot", role=Role.OPERATOR, password_hash=None
        ),
    ),
    (
        "create-user/to-be-removed",
        access.CreateUser(
            principal_id=PrincipalId("u_eve"), name="eve", role=Role.VIEWER, password_hash=None
        ),
    ),
    (
        "set-password",
        access.SetPassword(
            principal_id=PrincipalId("u_bot"), password_hash="$argon2id$v=19$m=19456,t=2,p=1$c2FsdB$aGFzaB"
        ),
    ),
    ("set-role", access.SetRole(principal_id=PrincipalId("u_bot"), role=Role.VIEWER)),
    ("remove-user", access.RemoveUser(principal_id=PrincipalId("u_eve"))),
    (
        "create-api-token",
        access.CreateApiToken(
            prefix=TokenPrefix("abcd1234"),
            name="ci",
            secret_hash=b"\x22" * 32,
            principal_id=PrincipalId("u_ann"),
            role=Role.OPERATOR,
            scopes=frozenset({"service.deploy", "service.read"}),
            expires_at_ms=None,
        ),
    ),
    ("revoke-api-token", access.RevokeApiToken(prefix=TokenPrefix("abcd1234"))),
    (
        "start-login",
        access.StartLogin(
            login_id=LoginId("lo_01"),
            principal_id=PrincipalId("u_ann"),
            secret_hash=b"\x33" * 32,
            idle_expires_at_ms=START_MS + 7 * 24 * HOUR_MS,
            expires_at_ms=START_MS + 30 * 24 * HOUR_MS,
            ip="192.0.2.7",
            user_agent="Firefox",
        ),
    ),
    (
        "rotate-login",
        access.RotateLogin(
            login_id=LoginId("lo_01"),
            expected_generation=0,
            secret_hash=b"\x44" * 32,
            rotated_at_ms=START_MS + 60_000,
            idle_expires_at_ms=START_MS + 8 * 24 * HOUR_MS,
        ),
    ),
    ("end-login", access.EndLogin(login_id=LoginId("lo_01"))),
    (
        "put-service",
        services.PutService(
            service_id=WEB,
            project="shop",
            name="web",
            spec=FULL_SPEC,
            replicas=2,
            policy=POLICY,
            created_by="u_ann",
            expected_version=0,
        ),
    ),
    (
        "put-service/minimal",
        services.PutService(
            service_id=ServiceId("tools.echo"),
            project="tools",
            name="echo",
            spec=ServiceSpec(image="busybox"),
            replicas=1,
        ),
    ),
    ("remove-service", services.RemoveService(service_id=ServiceId("tools.echo"), expected_version=1)),
    (
        "commit-transition/start",
        services.CommitTransition(
            service_id=WEB,
            expected_version=1,
            rollout=_rollout(
                RolloutPhase.RUNNING,
                1,
                ReplicaProgress(
                    ordinal=0,
                    phase=StepPhase.STARTING,
                    node_id=N1,
                    attempts=1,
                    since_ms=START_MS,
                    deadline_ms=START_MS + 60_000,
                ),
                ReplicaProgress(ordinal=1, phase=StepPhase.WAITING),
            ),
            orders=(
                services.AssignmentOrder(revision=1, ordinal=0, node_id=N1, desired=DesiredState.STARTED),
                services.AssignmentOrder(revision=1, ordinal=1, node_id=N2, desired=DesiredState.SERVING),
            ),
        ),
    ),
    (
        "report-assignments",
        services.ReportAssignments(
            node_id=N1,
            reports=(
                services.AssignmentReport(
                    service_id=WEB,
                    revision=1,
                    ordinal=0,
                    token=30,
                    observed=Observation(
                        phase=ReplicaPhase.HEALTHY,
                        container_id="ab" * 32,
                        address="172.17.0.2",
                        port=8080,
                        restarts=1,
                        reason="health check passed",
                        observed_at_ms=START_MS + 5,
                    ),
                ),
            ),
            router=services.RouterReport(routed_index=30, drained_index=29),
            reported_at_ms=START_MS + 6,
        ),
    ),
    (
        "commit-transition/remove",
        services.CommitTransition(
            service_id=WEB,
            expected_version=2,
            orders=(
                services.AssignmentOrder(revision=1, ordinal=1, node_id=N2, desired=DesiredState.REMOVED),
            ),
        ),
    ),
    (
        "commit-transition/finish",
        services.CommitTransition(
            service_id=WEB,
            expected_version=3,
            rollout=_rollout(RolloutPhase.SUCCEEDED, 2),
            forget=(services.AssignmentRef(revision=1, ordinal=1, node_id=N2),),
            stable_revision=1,
        ),
    ),
    (
        "commit-transition/forget-service",
        services.CommitTransition(
            service_id=ServiceId("tools.echo"), expected_version=2, is_service_forgotten=True
        ),
    ),
    ("remove-node", nodes.RemoveNode(node_id=N2, reason="left on request")),
    (
        "record-audit",
        audit.RecordAudit(
            records=(
                AuditRecord(
                    stamp=AuditStamp(
                        principal="",
                        principal_name="",
                        action="login",
                        resource="cluster",
                        is_allowed=False,
                        reason="unknown user or wrong password",
                        ip="198.51.100.9",
                        user_agent="",
                        duration_ms=40,
                        request_id="",
                    ),
                    outcome=AuditOutcome.DENIED,
                    happened_at_ms=START_MS + 7,
                    count=12,
                ),
            )
        ),
    ),
    (
        "report-assignments/exceptions",
        services.ReportAssignments(
            node_id=N1,
            reports=(),
            router=services.RouterReport(
                routed_index=35, drained_index=33, unrouted=(31, 34), undrained=(29, 32)
            ),
            reported_at_ms=START_MS + 8,
        ),
    ),
    (
        "put-service/canary",
        services.PutService(
            service_id=WEB,
            project="shop",
            name="web",
            spec=ServiceSpec(
                image="registry.example/shop/web:1.9.0", route=Route(host="shop.example", port=8080)
            ),
            replicas=2,
            policy=RolloutPolicy(
                shift=Shift(
                    strategy=Strategy.CANARY,
                    canary=Canary(
                        steps=(
                            TrafficStep(permille=50, hold_ms=60_000, needs_approval=True),
                            TrafficStep(permille=1000),
                        )
                    ),
                    analysis=Analysis(latency_p95_ms_max=250.0),
                )
            ),
            created_by="u_ann",
            is_unjudged=True,
        ),
    ),
    (
        "commit-transition/staged",
        services.CommitTransition(
            service_id=WEB,
            expected_version=5,
            rollout=Rollout(
                id=RolloutId("ro_02"),
                service_id=WEB,
                from_revision=1,
                to_revision=2,
                phase=RolloutPhase.RUNNING,
                step=1,
                started_at_ms=START_MS,
                changed_at_ms=START_MS + 9,
                deadline_ms=START_MS + 600_000,
                strategy=Strategy.CANARY,
                attempt=2,
                stage=Stage(
                    steps=(
                        TrafficStep(permille=50, hold_ms=60_000, needs_approval=True),
                        TrafficStep(permille=1000),
                    ),
                    colour=Colour.GREEN,
                    phase=StagePhase.APPROVAL,
                    since_ms=START_MS,
                ),
            ),
            orders=(
                services.AssignmentOrder(
                    revision=2,
                    ordinal=0,
                    node_id=N1,
                    desired=DesiredState.SERVING,
                    colour=Colour.GREEN,
                ),
            ),
            green_permille=50,
            kept=Kept(revision=1, colour=Colour.BLUE, until_ms=START_MS + 700_000),
        ),
    ),
    (
        "set-split",
        services.SetSplit(service_id=WEB, green_permille=1000, by="ann"),
    ),
    (
        "steer-rollout",
        services.SteerRollout(
            rollout_id=RolloutId("ro_02"), steer=Steer.RESUME, by="ann", reason="looks good"
        ),
    ),
    ("scale-service", services.ScaleService(service_id=WEB, replicas=3)),
    (
        "commit-transition/ended",
        services.CommitTransition(
            service_id=WEB,
            expected_version=9,
            rollout=Rollout(
                id=RolloutId("ro_02"),
                service_id=WEB,
                from_revision=1,
                to_revision=2,
                phase=RolloutPhase.SUCCEEDED,
                step=2,
                started_at_ms=START_MS,
                changed_at_ms=START_MS + 10,
                deadline_ms=START_MS + 600_000,
                strategy=Strategy.CANARY,
                attempt=2,
                verdict="0 of 120 requests failed",
            ),
            stable_revision=2,
            is_kept_ended=True,
        ),
    ),
    (
        "attempt-revision",
        services.AttemptRevision(service_id=WEB, revision=1, aim=Aim.ROLLBACK, by="ann", is_unjudged=True),
    ),
    (
        "set-node-labels",
        nodes.SetNodeLabels(node_id=N1, put=(("disk", "ssd"), ("zone", "b")), remove=("rack",)),
    ),
    (
        "move-replicas",
        services.MoveReplicas(
            service_id=WEB,
            copies=(services.AssignmentRef(revision=1, ordinal=0, node_id=N1),),
            within_ms=5 * 60_000,
        ),
    ),
    (
        "put-file",
        secrets.PutFile(
            kind=FileKind.SECRET, name="stripe_key", version=1, content=bytes(40), created_by="ann"
        ),
    ),
    (
        "put-file/config",
        secrets.PutFile(
            kind=FileKind.CONFIG,
            name="web.conf",
            version=1,
            content=b"listen 8080\n",
            created_by="ann",
            environment="prod",
        ),
    ),
    (
        "put-service/files",
        services.PutService(
            service_id=ServiceId("shop.pay"),
            project="shop",
            name="pay",
            spec=ServiceSpec(
                image="registry.example/shop/pay:1",
                secrets=(FileReference(source="stripe_key", target="/run/secrets/stripe_key", version=1),),
                configs=(
                    FileReference(
                        source="web.conf",
                        target="/etc/web.conf",
                        version=1,
                        environment="prod",
                        uid=1000,
                        gid=1000,
                        mode=0o440,
                    ),
                ),
            ),
            replicas=1,
            fencing=Fencing.STRICT,
        ),
    ),
    (
        "put-file/unused",
        secrets.PutFile(
            kind=FileKind.CONFIG, name="unused", version=1, content=b"", created_by="ann", project="shop"
        ),
    ),
    ("remove-file", secrets.RemoveFile(kind=FileKind.CONFIG, name="unused")),
    (
        "put-registry-credential",
        secrets.PutRegistryCredential(
            registry="registry.example:5000", username="ci", sealed_password=bytes(50), changed_by="ann"
        ),
    ),
    (
        "put-registry-credential/other",
        secrets.PutRegistryCredential(
            registry="docker.io", username="ci", sealed_password=bytes(50), changed_by="ann"
        ),
    ),
    ("remove-registry-credential", secrets.RemoveRegistryCredential(registry="docker.io")),
    (
        "set-node-maintenance",
        nodes.SetNodeMaintenance(node_id=N1, duration_ms=60_000, reason="its agent restarts"),
    ),
    (
        "set-node-status/before-fencing",
        nodes.SetNodeStatus(node_id=N1, status=NodeStatus.DOWN, reason="no heartbeat for 3.0 s"),
    ),
    ("confirm-node-fenced", nodes.ConfirmNodeFenced(node_id=N1)),
    (
        "put-environment",
        environments.PutEnvironment(
            environment=Environment(
                name="production",
                hosts=HostSet(constraints=(parse_constraint("node.labels.tier==prod"),), names=("h1", "h2")),
                registry="registry.example:5000/mirror",
                replicas_min=1,
                replicas_max=20,
                quota=EnvironmentQuota(cpu_millis=8000, memory_bytes=2**34, replicas=40),
                requires="staging",
                soak_ms=600_000,
                is_protected=True,
                is_alerting=False,
                alert_channel="night",
                sample_interval_ms=10_000,
                changed_by="ann",
            )
        ),
    ),
    (
        "put-service/promoted",
        services.PutService(
            service_id=ServiceId("production.shop.pay"),
            project="shop",
            name="pay",
            spec=ServiceSpec(image="registry.example/shop/pay:1", digest="sha256:" + "a" * 64),
            replicas=2,
            aim=Aim.PROMOTE,
            environment="production",
            bound=("environment.LEVEL",),
            promoted_from="staging.shop.pay revision 4",
        ),
    ),
    ("put-environment/own", environments.PutEnvironment(environment=Environment(name="try-out"))),
    ("remove-environment", environments.RemoveEnvironment(name="try-out")),
    (
        "put-route-certificate",
        route_certificates.PutRouteCertificate(
            name="shop",
            chain_pem="-----BEGIN CERTIFICATE-----",
            sealed_key=bytes(60),
            hosts=("shop.example",),
            not_after_ms=START_MS + 90 * 24 * HOUR_MS,
            fingerprint="ab" * 32,
            changed_by="ann",
        ),
    ),
    (
        "put-route-certificate/other",
        route_certificates.PutRouteCertificate(
            name="blog",
            chain_pem="-----BEGIN CERTIFICATE-----",
            sealed_key=bytes(60),
            hosts=("*.blog.example", "blog.example"),
            not_after_ms=START_MS + 90 * 24 * HOUR_MS,
            fingerprint="cd" * 32,
            changed_by="ann",
        ),
    ),
    ("remove-route-certificate", route_certificates.RemoveRouteCertificate(name="blog")),
    (
        "put-service/hooks",
        services.PutService(
            service_id=ServiceId("shop.jobs"),
            project="shop",
            name="jobs",
            spec=ServiceSpec(image="registry.example/shop/jobs:1"),
            replicas=1,
            policy=RolloutPolicy(
                pre_deploy=(Hook(command=("/app/migrate",), timeout_ms=60_000, is_repeatable=True),),
                post_deploy=(Hook(command=("/app/warm",)),),
            ),
        ),
    ),
    (
        "commit-transition/hooks",
        services.CommitTransition(
            service_id=ServiceId("shop.jobs"),
            expected_version=1,
            rollout=Rollout(
                id=RolloutId("ro_hooks"),
                service_id=ServiceId("shop.jobs"),
                from_revision=0,
                to_revision=1,
                phase=RolloutPhase.RUNNING,
                step=0,
                started_at_ms=START_MS,
                changed_at_ms=START_MS,
                deadline_ms=START_MS + 600_000,
                hooks=(
                    HookRun(
                        kind=HookKind.PRE,
                        number=0,
                        hook=Hook(command=("/app/migrate",), timeout_ms=60_000, is_repeatable=True),
                        phase=HookPhase.ORDERED,
                        node_id=N1,
                        attempts=1,
                        since_ms=START_MS,
                        deadline_ms=START_MS + 660_000,
                    ),
                    HookRun(kind=HookKind.POST, number=0, hook=Hook(command=("/app/warm",))),
                ),
            ),
        ),
    ),
    (
        "report-hook",
        services.ReportHook(
            node_id=N1,
            rollout_id=RolloutId("ro_hooks"),
            kind=HookKind.PRE,
            number=0,
            attempt=1,
            phase=HookPhase.RUNNING,
        ),
    ),
    (
        "report-hook/failed",
        services.ReportHook(
            node_id=N1,
            rollout_id=RolloutId("ro_hooks"),
            kind=HookKind.PRE,
            number=0,
            attempt=1,
            phase=HookPhase.FAILED,
            exit_code=3,
            reason="ended with exit code 3",
            tail="no such table",
        ),
    ),
    (
        "adopt-containers",
        adoption.AdoptContainers(
            service_id=ServiceId("legacy.wiki"),
            project="legacy",
            name="wiki",
            spec=ServiceSpec(image="registry.example/wiki:1"),
            containers=(adoption.AdoptedContainer(node_id=N1, container_id="ef" * 32),),
            created_by="ann",
        ),
    ),
    (
        "put-schedule",
        schedules.PutSchedule(
            schedule=DeploySchedule(
                id="sc_01",
                project="later",
                services=(
                    ScheduledService(
                        service_id=ServiceId("later.web"),
                        project="later",
                        name="web",
                        spec=ServiceSpec(image="registry.example/web:1", digest="sha256:" + "5" * 64),
                        replicas=1,
                        watch=WatchRules(
                            every_ms=60_000,
                            min_age_ms=0,
                            window=Span(cron="0 3 * * *", duration_ms=3_600_000, time_zone="Europe/Berlin"),
                            strategy=Strategy.ROLLING,
                        ),
                        seen_attempt=0,
                    ),
                ),
                asker=Asker(name="ann", principal_id="pr_01"),
                cron="30 3 * * *",
                time_zone="Europe/Berlin",
                catch_up=CatchUp.ONCE,
                next_fire_ms=START_MS + 1_000_000,
            )
        ),
    ),
    (
        "pass-moment",
        schedules.PassMoment(
            schedule_id="sc_01",
            due_ms=START_MS + 1_000_000,
            outcome=RunOutcome.REFUSED,
            reason="change window night denies changes of the cluster",
            next_ms=START_MS + 2_000_000,
        ),
    ),
    (
        "fire-schedule",
        schedules.FireSchedule(
            schedule_id="sc_01", due_ms=START_MS + 2_000_000, next_ms=START_MS + 3_000_000
        ),
    ),
    (
        "put-window",
        windows.PutWindow(
            window=ChangeWindow(
                id="nights",
                kind=WindowKind.ALLOW,
                span=Span(cron="0 22 * * *", duration_ms=28_800_000, time_zone="Europe/Berlin"),
                scope=Scope(kind=ScopeKind.ENVIRONMENT, name="production"),
                note="only at night",
                by="ann",
            )
        ),
    ),
    ("remove-window", windows.RemoveWindow(window_id="nights")),
    (
        "put-freeze",
        windows.PutFreeze(
            freeze=Freeze(
                id="fr_01",
                reason="the year is closed",
                from_ms=START_MS,
                until_ms=START_MS + 86_400_000,
                by="ann",
            )
        ),
    ),
    ("end-freeze", windows.EndFreeze(freeze_id="fr_01")),
    (
        "put-watch",
        watching.PutWatch(
            service_id=ServiceId("later.web"),
            watch=WatchRules(every_ms=900_000),
            by="ann",
            by_principal="pr_01",
        ),
    ),
    (
        "note-digest",
        watching.NoteDigest(
            service_id=ServiceId("later.web"), image="registry.example/web:1", digest="sha256:" + "6" * 64
        ),
    ),
    (
        "update-image",
        watching.UpdateImage(
            service=ScheduledService(
                service_id=ServiceId("later.web"),
                project="later",
                name="web",
                spec=ServiceSpec(image="registry.example/web:1", digest="sha256:" + "6" * 64),
                replicas=1,
            ),
            created_by="image watch",
            expected_version=1,
        ),
    ),
    ("remove-watch", watching.RemoveWatch(service_id=ServiceId("later.web"))),
    ("remove-schedule", schedules.RemoveSchedule(schedule_id="sc_01")),
    (
        "put-schedule/once",
        schedules.PutSchedule(
            schedule=DeploySchedule(
                id="sc_02",
                project="later",
                services=(
                    ScheduledService(
                        service_id=ServiceId("later.web"),
                        project="later",
                        name="web",
                        spec=ServiceSpec(image="registry.example/web:2"),
                        replicas=1,
                        seen_attempt=2,
                    ),
                ),
                asker=Asker(name="ci", principal_id="pr_01", token_prefix="abcdefgh"),
                at_ms=START_MS + 9_000_000,
                is_pinned_at_fire=True,
                overrides_windows=True,
                next_fire_ms=START_MS + 9_000_000,
            )
        ),
    ),
    (
        "put-window/deny",
        windows.PutWindow(
            window=ChangeWindow(
                id="fridays",
                kind=WindowKind.DENY,
                span=Span(cron="0 16 * * FRI", duration_ms=230_400_000),
            )
        ),
    ),
    ("put-freeze/open", windows.PutFreeze(freeze=Freeze(id="fr_02", reason="audit", from_ms=START_MS))),
    (
        "put-watch/file",
        watching.PutWatch(
            service_id=ServiceId("later.web"),
            watch=WatchRules(),
            by="ann",
            by_principal="pr_01",
            is_from_file=True,
        ),
    ),
    (
        "put-service/autoscaled",
        services.PutService(
            service_id=ServiceId("shop.api"),
            project="shop",
            name="api",
            spec=ServiceSpec(image="registry.example/api:1"),
            replicas=1,
            autoscale=AutoscalePolicy(
                replicas_min=2,
                replicas_max=10,
                targets=(
                    ScaleTarget(metric=ScaleMetric.CPU, value=70),
                    ScaleTarget(metric=ScaleMetric.LATENCY, value=250),
                ),
                cooldown_ms=30_000,
            ),
        ),
    ),
    (
        "scale-service/by-itself",
        services.ScaleService(
            service_id=ServiceId("shop.api"),
            replicas=4,
            expected_version=1,
            by=AUTOSCALING,
            reason="cpu 133 of 70 %",
        ),
    ),
    (
        "scale-service/held",
        services.ScaleService(service_id=ServiceId("shop.api"), replicas=6, by="ann", is_held=True),
    ),
    (
        "record-samples",
        metrics.RecordSamples(
            source="n_01",
            node_id=N1,
            start_ms=START_MS,
            step_ms=10_000,
            ticks=6,
            subjects=(
                SubjectRef(definition=SubjectDefinition(kind=SubjectKind.HOST, node_id=N1, name="host-1")),
                SubjectRef(
                    definition=SubjectDefinition(
                        kind=SubjectKind.CONTAINER,
                        node_id=N1,
                        key="0" * 64,
                        name="shop.web.1",
                        labels=(("project", "shop"), ("service", "web")),
                    )
                ),
            ),
            payload=bytes(range(40)),
        ),
    ),
    (
        "define-subjects",
        metrics.DefineSubjects(
            node_id=N1,
            definitions=(
                SubjectDefinition(kind=SubjectKind.DISK, node_id=N1, key="/var/lib/docker", name="data"),
            ),
        ),
    ),
    (
        "record-samples/known",
        metrics.RecordSamples(
            source="n_01",
            node_id=N1,
            start_ms=START_MS + 60_000,
            step_ms=10_000,
            ticks=1,
            subjects=(SubjectRef(number=1), SubjectRef(number=3)),
            payload=b"later",
        ),
    ),
    (
        "start-experiment",
        services.StartExperiment(
            service_id=WIKI,
            spec=ServiceSpec(image="registry.example/wiki:2"),
            experiment=EXPERIMENT,
            by="ann",
            expected_version=1,
        ),
    ),
    (
        "commit-transition/experiment",
        services.CommitTransition(
            service_id=WIKI,
            expected_version=2,
            rollout=Rollout(
                id=RolloutId("ro_09"),
                service_id=WIKI,
                from_revision=1,
                to_revision=2,
                phase=RolloutPhase.RUNNING,
                step=1,
                started_at_ms=START_MS,
                changed_at_ms=START_MS,
                deadline_ms=START_MS + 600_000,
                strategy=Strategy.BLUE_GREEN,
                aim=Aim.EXPERIMENT,
                attempt=2,
                stage=Stage(steps=(TrafficStep(permille=1000),), colour=Colour.GREEN),
                experiment=ExperimentRun(plan=EXPERIMENT, began_at_ms=START_MS + 5),
            ),
            green_permille=100,
            targeting=EXPERIMENT.targeting(Colour.GREEN, 2),
        ),
    ),
    (
        "put-alert-rule",
        alerts.PutAlertRule(
            rule=AlertRule(
                id="shop-memory",
                kind=RuleKind.THRESHOLD,
                summary="The shop's memory",
                severity=Severity.CRITICAL,
                scope=RuleScope(kinds=("container",), services=("shop.web",), labels=(("project", "shop"),)),
                metric="memory_bytes",
                threshold=Threshold(value=95.0, resolve_value=90.0, is_percent_of_limit=True),
                for_ms=600_000,
                looks_min=3,
                looks=5,
                keep_firing_ms=300_000,
                remind_ms=4 * HOUR_MS,
                labels=(("team", "shop"),),
                hint="give it more memory",
                changed_by="ann",
            )
        ),
    ),
    (
        "commit-alerts",
        alerts.CommitAlerts(
            changes=(
                alerts.AlertChange(alert=MEMORY_ALERT, expected_version=0, told=Told.FIRING),
                alerts.AlertChange(alert=HOST_ALERT, expected_version=0),
            )
        ),
    ),
    ("acknowledge-alert", alerts.AcknowledgeAlert(number=1, by="ann", comment="on it")),
    (
        "commit-alerts/over",
        alerts.CommitAlerts(
            changes=(
                alerts.AlertChange(
                    alert=replace(
                        MEMORY_ALERT,
                        number=1,
                        version=2,
                        phase=AlertPhase.RESOLVED,
                        notified_at_ms=START_MS,
                        resolved_at_ms=START_MS + 900_000,
                        resolution="it is below 90 %",
                    ),
                    expected_version=2,
                    told=Told.RESOLVED,
                ),
                alerts.AlertChange(alert=replace(HOST_ALERT, number=2), expected_version=1, is_dropped=True),
            )
        ),
    ),
    (
        "put-silence",
        alerts.PutSilence(
            silence=Silence(
                id="si_01",
                matcher=AlertMatcher(
                    rules=("shop-memory",),
                    severities=(Severity.WARNING,),
                    scope=RuleScope(hosts=("n_01",), names=("web-*",)),
                ),
                comment="the backup runs",
                from_ms=START_MS,
                until_ms=START_MS + 86_400_000,
                span=Span(cron="0 2 * * SUN", duration_ms=7_200_000, time_zone="Europe/Berlin"),
                by="ann",
            )
        ),
    ),
    ("end-silence", alerts.EndSilence(silence_id="si_01")),
    ("remove-alert-rule", alerts.RemoveAlertRule(rule_id="shop-memory")),
    (
        "put-alert-rule/off",
        alerts.PutAlertRule(rule=AlertRule(id="host-down", kind=RuleKind.HOST_DOWN, is_enabled=False)),
    ),
    (
        "put-silence/plain",
        alerts.PutSilence(
            silence=Silence(
                id="si_02",
                matcher=AlertMatcher(rules=("disk-full",)),
                comment="a new disk is on its way",
                from_ms=START_MS,
                until_ms=START_MS + 86_400_000,
            )
        ),
    ),
    (
        "commit-alerts/pending",
        alerts.CommitAlerts(changes=(alerts.AlertChange(alert=HOST_ALERT, expected_version=0),)),
    ),
    (
        "put-webhook",
        webhooks.PutWebhook(
            webhook=Webhook(
                id="pager",
                url="https://hooks.example.com/in?key=1",
                events=("alert:*", "node:down", "node:draining"),
                secrets=(SealedSecret(sealed=b"sealed" * 10),),
                retry=RetryPolicy(attempts=2, backoff=Backoff.LINEAR, base_ms=1000, max_ms=60_000),
                min_severity=Severity.INFO,
                changed_by="ann",
            ),
            expected_version=0,
        ),
    ),
    (
        "put-webhook/basic",
        webhooks.PutWebhook(
            webhook=Webhook(
                id="chat",
                url="http://chat.example.com/",
                events=("*",),
                auth=WebhookAuth.BASIC,
                username="tower",
                secrets=(SealedSecret(sealed=b"sealed" * 10),),
                timeout_ms=5_000,
                min_severity=Severity.CRITICAL,
                is_ordered=False,
            ),
            expected_version=0,
        ),
    ),
    ("set-node-draining/told", nodes.SetNodeDraining(node_id=N1, is_draining=True)),
    ("ping-webhook", webhooks.PingWebhook(webhook_id="pager", by="ann")),
    (
        "record-attempts",
        webhooks.RecordAttempts(
            results=(
                webhooks.AttemptResult(
                    webhook_id="pager",
                    sequence=FIRST_SENT,
                    attempt=Attempt(
                        number=1,
                        at_ms=START_MS,
                        duration_ms=31,
                        status=503,
                        failure=FailureKind.STATUS,
                        detail="busy",
                        node_id="n_01",
                    ),
                    retry_after_ms=120_000,
                ),
                webhooks.AttemptResult(
                    webhook_id="pager",
                    sequence=FIRST_SENT + 1,
                    attempt=Attempt(number=1, at_ms=START_MS, duration_ms=12, status=204),
                ),
            )
        ),
    ),
    (
        "record-attempts/gone",
        webhooks.RecordAttempts(
            results=(
                webhooks.AttemptResult(
                    webhook_id="pager",
                    sequence=FIRST_SENT,
                    attempt=Attempt(
                        number=2, at_ms=START_MS, duration_ms=3, status=410, failure=FailureKind.STATUS
                    ),
                    is_gone=True,
                ),
            )
        ),
    ),
    ("replay-deliveries", webhooks.ReplayDeliveries(webhook_id="pager", first=0, last=FIRST_SENT)),
    (
        "rotate-webhook-secret",
        webhooks.RotateWebhookSecret(
            webhook_id="pager",
            secret=SealedSecret(sealed=b"another" * 9),
            keep_ms=86_400_000,
            expected_version=2,
            changed_by="ann",
        ),
    ),
    ("remove-webhook", webhooks.RemoveWebhook(webhook_id="chat")),
    (
        "put-export",
        exports.PutExport(
            export=Export(
                id="vm",
                kind=ExportKind.PROMETHEUS,
                url="http://vm.example.com:8428/api/v1/write",
                auth=ExportAuth.BASIC,
                username="tower",
                secret=SealedSecret(sealed=b"sealed" * 10),
                back_ms=86_400_000,
                changed_by="ann",
            ),
            expected_version=0,
        ),
    ),
    (
        "put-export/plain",
        exports.PutExport(
            export=Export(id="influx", kind=ExportKind.INFLUXDB, url="http://influx.example.com/write?db=t"),
            expected_version=0,
        ),
    ),
    (
        "commit-export-progress",
        exports.CommitExportProgress(
            export_id="vm",
            from_index=EXPORT_INDEX,
            from_past_ms=EXPORT_PAST_MS,
            index=EXPORT_INDEX,
            past_from_ms=EXPORT_PAST_MS + 3_600_000,
            past_until_ms=EXPORT_PAST_MS + 86_400_000,
            sent=5000,
            refused=3,
            detail="status 400: out of order",
        ),
    ),
    (
        "commit-export-progress/failed",
        exports.CommitExportProgress(
            export_id="vm",
            from_index=EXPORT_INDEX,
            from_past_ms=EXPORT_PAST_MS + 3_600_000,
            index=EXPORT_INDEX,
            past_from_ms=0,
            past_until_ms=0,
            failure="status 503",
            retry_after_ms=30_000,
        ),
    ),
    ("remove-export", exports.RemoveExport(export_id="influx")),
    (
        "put-service/metric-limits",
        services.PutService(
            service_id=ServiceId("tools.limited"),
            project="tools",
            name="limited",
            spec=ServiceSpec(image="registry.example/tools:1", route=Route(host="tools.example", port=80)),
            replicas=1,
            policy=RolloutPolicy(
                shift=Shift(
                    strategy=Strategy.CANARY,
                    analysis=Analysis(
                        metrics=(
                            MetricLimit(metric="memory_bytes", max_value=5e8, ratio_max=1.5, for_ms=30_000),
                            MetricLimit(metric="rx_bytes_per_s", min_value=1.0),
                        )
                    ),
                )
            ),
        ),
    ),
    (
        "create-user/second-factor",
        access.CreateUser(
            principal_id=PrincipalId("us_faye"),
            name="faye",
            role=Role.ADMIN,
            password_hash="$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHRzYWx0$aGFzaGhhc2hoYXNoaGFzaA",
        ),
    ),
    (
        "put-second-factor",
        second_factors.PutSecondFactor(
            principal_id=PrincipalId("us_faye"),
            sealed_secret=b"sealed",
            step=58_000_000,
            recovery_hashes=(b"\x01" * 32, b"\x02" * 32),
        ),
    ),
    (
        "start-login/code",
        access.StartLogin(
            login_id=LoginId("lo_faye"),
            principal_id=PrincipalId("us_faye"),
            secret_hash=b"\x05" * 32,
            idle_expires_at_ms=START_MS + 7 * 86_400_000,
            expires_at_ms=START_MS + 30 * 86_400_000,
            step=58_000_001,
        ),
    ),
    (
        "start-login/recovery-code",
        access.StartLogin(
            login_id=LoginId("lo_faye2"),
            principal_id=PrincipalId("us_faye"),
            secret_hash=b"\x06" * 32,
            idle_expires_at_ms=START_MS + 7 * 86_400_000,
            expires_at_ms=START_MS + 30 * 86_400_000,
            recovery_hash=b"\x01" * 32,
        ),
    ),
    (
        "put-recovery-codes",
        second_factors.PutRecoveryCodes(
            principal_id=PrincipalId("us_faye"), recovery_hashes=(b"\x03" * 32,), step=58_000_002
        ),
    ),
    (
        "end-logins",
        second_factors.EndLogins(principal_id=PrincipalId("us_faye"), but=LoginId("lo_faye2")),
    ),
    (
        "remove-second-factor",
        second_factors.RemoveSecondFactor(principal_id=PrincipalId("us_faye"), step=58_000_003),
    ),
    (
        "put-second-factor/again",
        second_factors.PutSecondFactor(
            principal_id=PrincipalId("us_faye"), sealed_secret=b"sealed", step=58_000_004, recovery_hashes=()
        ),
    ),
    (
        "put-provider",
        sign_in.PutProvider(
            provider=SignInProvider(
                id="corp",
                label="Example Corp",
                issuer="https://login.example.com/realms/ops",
                client_id="tower",
                sealed_secret=b"sealed",
                groups_claim="realm_access.roles",
                roles=(
                    GroupRole(group="ops", role=Role.OPERATOR),
                    GroupRole(group="admins", role=Role.ADMIN),
                ),
                changed_by="ann",
            ),
            expected_version=0,
        ),
    ),
    (
        "put-provider/other",
        sign_in.PutProvider(
            provider=SignInProvider(
                id="other", label="Other", issuer="https://other.example.com", client_id="t"
            ),
            expected_version=0,
        ),
    ),
    (
        "sync-account",
        sign_in.SyncAccount(
            principal_id=PrincipalId("us_gina"),
            provider_id="corp",
            subject_key="ab" * 32,
            name="faye",
            role=Role.OPERATOR,
        ),
    ),
    (
        "sync-account/no-role",
        sign_in.SyncAccount(
            principal_id=PrincipalId("us_gina2"),
            provider_id="corp",
            subject_key="ab" * 32,
            name="faye",
            role=None,
        ),
    ),
    ("remove-provider", sign_in.RemoveProvider(provider_id="other")),
    (
        "create-api-token/used",
        access.CreateApiToken(
            prefix=TokenPrefix("usedused"),
            name="ci",
            secret_hash=b"\x09" * 32,
            principal_id=PrincipalId("us_faye"),
            role=Role.VIEWER,
            scopes=frozenset(),
            expires_at_ms=None,
        ),
    ),
    (
        "note-token-uses",
        sign_in.NoteTokenUses(
            uses=(TokenUse(prefix=TokenPrefix("usedused"), used_at_ms=START_MS, ip="192.0.2.7"),)
        ),
    ),
    (
        "put-web-certificate",
        web_certificates.PutWebCertificate(
            name="dashboard",
            chain_pem="-----BEGIN CERTIFICATE-----",
            sealed_key=bytes(40),
            hosts=("tower.example.com",),
            not_before_ms=START_MS,
            not_after_ms=START_MS + 90 * 86_400_000,
            fingerprint="cd" * 32,
            changed_by="ann",
        ),
    ),
    (
        "put-web-certificate/removed",
        web_certificates.PutWebCertificate(
            name="old",
            chain_pem="-----BEGIN CERTIFICATE-----",
            sealed_key=bytes(40),
            hosts=("old.example.com",),
            not_before_ms=START_MS,
            not_after_ms=START_MS + 90 * 86_400_000,
            fingerprint="ef" * 32,
            changed_by="ann",
        ),
    ),
    ("remove-web-certificate", web_certificates.RemoveWebCertificate(name="old")),
    (
        "put-custom-role",
        permissions.PutCustomRole(
            role=CustomRole(
                name="restarter",
                permissions=(
                    Permission(
                        actions=("container.restart", "*.read"),
                        scope=AccessScope(projects=("shop",), labels=("team=web",), without_labels=()),
                    ),
                    Permission(
                        effect=PermissionEffect.DENY,
                        actions=("container.*",),
                        scope=AccessScope(environments=("production",)),
                        hours=(Hours(days=("fri",), start="17:00", end="09:00", tz="Europe/Rome"),),
                    ),
                ),
                note="their own containers",
                by="admin",
            )
        ),
    ),
    (
        "put-binding",
        permissions.PutBinding(
            binding=Binding(
                id="bd_1",
                holder=Holder(kind=HolderKind.USER, id="u_ann"),
                role="restarter",
                scope=AccessScope(services=("shop.web",), nodes=("n1",), names=("h1/web",)),
                hours=(Hours(),),
                note="on call",
                by="admin",
            )
        ),
    ),
    (
        "put-binding/built-in",
        permissions.PutBinding(
            binding=Binding(
                id="bd_2",
                holder=Holder(kind=HolderKind.USER, id="u_ann"),
                role="operator",
            )
        ),
    ),
    (
        "remove-binding",
        permissions.RemoveBinding(holder=Holder(kind=HolderKind.USER, id="u_ann"), binding_id="bd_1"),
    ),
    ("remove-custom-role", permissions.RemoveCustomRole(name="restarter")),
    (
        "put-custom-role/everything",
        permissions.PutCustomRole(
            role=CustomRole(name="auditor", permissions=(Permission(actions=("audit.read",)),))
        ),
    ),
    (
        "rehash-password",
        access.RehashPassword(
            principal_id=PrincipalId("us_faye"),
            replaced="$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHRzYWx0$aGFzaGhhc2hoYXNoaGFzaA",
            password_hash="$argon2id$v=19$m=65536,t=3,p=1$c2FsdHNhbHRzYWx0$aGFzaGhhc2hoYXNoaGFzaA",
        ),
    ),
    ("make-plan", plans.MakePlan(plan=PLAN)),
    (
        "decide-plan",
        plans.DecidePlan(
            plan_id="pl_01",
            verdict=PlanVerdict.APPROVE,
            by="eve",
            by_principal="us_eve",
            through="dashboard",
            comment="go",
            node_id="n1",
        ),
    ),
    ("end-plan", plans.EndPlan(plan_id="pl_01", state=PlanState.DONE, outcome="shop.web has 3 replicas")),
    ("make-plan/plain", plans.MakePlan(plan=replace(PLAN, id="pl_02", changes=(), told=(), notes=()))),
    ("decide-plan/refused", plans.DecidePlan(plan_id="pl_02", verdict=PlanVerdict.REFUSE, by="eve")),
    ("make-plan/waiting", plans.MakePlan(plan=replace(PLAN, id="pl_03"))),
    ("keep-exchange", EXCHANGE),
    ("keep-exchange/second", replace(EXCHANGE, number=2, sealed_title=b"", sealed=b"more", tokens=0)),
    ("keep-exchange/other", replace(EXCHANGE, conversation_id="cv_02")),
    ("forget-conversation", assistant.ForgetConversation(principal_id="us_faye", conversation_id="cv_02")),
    (
        "put-provider/takes-tokens",
        sign_in.PutProvider(
            provider=SignInProvider(
                id="taking",
                label="Example Corp",
                issuer="https://login.example.com/realms/ops",
                client_id="tower",
                token_audience="https://tower.example.com/mcp",
            ),
            expected_version=0,
        ),
    ),
    (
        "make-plan/provider-token",
        plans.MakePlan(
            plan=replace(
                PLAN,
                id="pl_04",
                asker=Asker(name="ann", principal_id="us_ann", issuer="https://login.example.com/realms/ops"),
            )
        ),
    ),
)
"""(name, command); a name is the command's, with a variant after a slash."""


def envelopes() -> list[tuple[str, Envelope]]:
    """Return the history as it was sent: every third command stands for a person's request."""
    return [
        (
            name,
            Envelope(
                client_id="n_01-1",
                sequence=number,
                time_ms=START_MS + number * 1000,
                leader_term=TERM,
                audit=STAMP if number % 3 == 0 else None,
                command=command,
            ),
        )
        for number, (name, command) in enumerate(COMMANDS, start=1)
    ]
