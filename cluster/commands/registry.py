"""Every command there is, by number. Append only: numbers, names and fields are in logs and backups for good.

A number below 1000 is essential: a node that does not know it stops, because skipping would make it differ
from the others. From 1000 on it is ignorable: such a node skips it. The number itself says which, since a
node that does not know a command has nothing else to go by. What an ignorable command writes is left out of
the state hash, and no essential command may read it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from cluster.commands import (
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
from cluster.encoding import Codec, codec

IGNORABLE_FROM = 1000


@dataclass(frozen=True, slots=True)
class CommandKind:
    """One kind of command. A leader-only one is rejected unless its envelope names the term that leads.

    When fields are appended (with defaults), the number of fields so far is appended to
    `earlier_field_counts`: that makes a new version, which is written only where the new fields are used.
    """

    number: int
    name: str
    cls: type[Any]
    is_leader_only: bool = False
    earlier_field_counts: tuple[int, ...] = ()
    codec: Codec[Any] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "codec", codec(self.cls))

    @property
    def version(self) -> int:
        """The newest version this code knows."""
        return len(self.earlier_field_counts) + 1

    @property
    def is_ignorable(self) -> bool:
        return self.number >= IGNORABLE_FROM

    def version_of(self, field_count: int) -> int:
        """Return the oldest version with at least so many fields."""
        for version, count in enumerate(self.earlier_field_counts, start=1):
            if field_count <= count:
                return version
        return self.version


KINDS: tuple[CommandKind, ...] = (
    CommandKind(1, "take-leadership", leadership.TakeLeadership, is_leader_only=True),
    CommandKind(2, "initialize-cluster", nodes.InitializeCluster),
    CommandKind(10, "register-node", nodes.RegisterNode),
    CommandKind(11, "update-node-facts", nodes.UpdateNodeFacts),
    CommandKind(12, "set-node-status", nodes.SetNodeStatus, is_leader_only=True),
    CommandKind(13, "set-node-draining", nodes.SetNodeDraining),
    CommandKind(14, "set-node-role", nodes.SetNodeRole),
    CommandKind(15, "remove-node", nodes.RemoveNode),
    CommandKind(16, "set-node-labels", nodes.SetNodeLabels),
    CommandKind(17, "set-node-maintenance", nodes.SetNodeMaintenance),
    CommandKind(18, "confirm-node-fenced", nodes.ConfirmNodeFenced),
    CommandKind(20, "put-setting", settings.PutSetting),
    CommandKind(30, "create-join-token", nodes.CreateJoinToken),
    CommandKind(31, "redeem-join-token", nodes.RedeemJoinToken),
    CommandKind(32, "revoke-join-token", nodes.RevokeJoinToken),
    CommandKind(33, "record-certificate", nodes.RecordCertificate),
    CommandKind(40, "put-setup-token", access.PutSetupToken),
    CommandKind(41, "create-user", access.CreateUser),
    CommandKind(42, "set-password", access.SetPassword),
    CommandKind(43, "set-role", access.SetRole),
    CommandKind(44, "remove-user", access.RemoveUser),
    CommandKind(45, "create-api-token", access.CreateApiToken),
    CommandKind(46, "revoke-api-token", access.RevokeApiToken),
    CommandKind(47, "start-login", access.StartLogin, earlier_field_counts=(7,)),
    CommandKind(48, "rotate-login", access.RotateLogin),
    CommandKind(49, "end-login", access.EndLogin),
    CommandKind(50, "put-second-factor", second_factors.PutSecondFactor),
    CommandKind(51, "remove-second-factor", second_factors.RemoveSecondFactor),
    CommandKind(52, "put-recovery-codes", second_factors.PutRecoveryCodes),
    CommandKind(53, "end-logins", second_factors.EndLogins),
    CommandKind(54, "put-custom-role", permissions.PutCustomRole),
    CommandKind(55, "remove-custom-role", permissions.RemoveCustomRole),
    CommandKind(56, "put-binding", permissions.PutBinding),
    CommandKind(57, "remove-binding", permissions.RemoveBinding),
    CommandKind(58, "start-experiment", services.StartExperiment),
    CommandKind(59, "adopt-containers", adoption.AdoptContainers),
    CommandKind(60, "put-service", services.PutService),
    CommandKind(61, "remove-service", services.RemoveService),
    CommandKind(62, "commit-transition", services.CommitTransition, is_leader_only=True),
    CommandKind(63, "report-assignments", services.ReportAssignments),
    CommandKind(64, "attempt-revision", services.AttemptRevision),
    CommandKind(65, "scale-service", services.ScaleService),
    CommandKind(66, "steer-rollout", services.SteerRollout),
    CommandKind(67, "set-split", services.SetSplit),
    CommandKind(68, "move-replicas", services.MoveReplicas),
    CommandKind(69, "report-hook", services.ReportHook),
    CommandKind(70, "put-file", secrets.PutFile),
    CommandKind(71, "remove-file", secrets.RemoveFile),
    CommandKind(72, "put-registry-credential", secrets.PutRegistryCredential),
    CommandKind(73, "remove-registry-credential", secrets.RemoveRegistryCredential),
    CommandKind(74, "put-route-certificate", route_certificates.PutRouteCertificate),
    CommandKind(75, "remove-route-certificate", route_certificates.RemoveRouteCertificate),
    CommandKind(76, "put-environment", environments.PutEnvironment),
    CommandKind(77, "remove-environment", environments.RemoveEnvironment),
    CommandKind(78, "put-web-certificate", web_certificates.PutWebCertificate),
    CommandKind(79, "remove-web-certificate", web_certificates.RemoveWebCertificate),
    CommandKind(80, "record-audit", audit.RecordAudit),
    CommandKind(81, "put-provider", sign_in.PutProvider),
    CommandKind(82, "remove-provider", sign_in.RemoveProvider),
    CommandKind(83, "sync-account", sign_in.SyncAccount),
    CommandKind(84, "note-token-uses", sign_in.NoteTokenUses),
    CommandKind(85, "rehash-password", access.RehashPassword),
    CommandKind(100, "put-schedule", schedules.PutSchedule),
    CommandKind(101, "remove-schedule", schedules.RemoveSchedule),
    CommandKind(102, "fire-schedule", schedules.FireSchedule),
    CommandKind(103, "pass-moment", schedules.PassMoment, is_leader_only=True),
    CommandKind(104, "put-window", windows.PutWindow),
    CommandKind(105, "remove-window", windows.RemoveWindow),
    CommandKind(106, "put-freeze", windows.PutFreeze),
    CommandKind(107, "end-freeze", windows.EndFreeze),
    CommandKind(108, "put-watch", watching.PutWatch),
    CommandKind(109, "remove-watch", watching.RemoveWatch),
    CommandKind(110, "note-digest", watching.NoteDigest, is_leader_only=True),
    CommandKind(111, "update-image", watching.UpdateImage, is_leader_only=True),
    CommandKind(120, "record-samples", metrics.RecordSamples),
    CommandKind(121, "define-subjects", metrics.DefineSubjects),
    CommandKind(130, "put-alert-rule", alerts.PutAlertRule),
    CommandKind(131, "remove-alert-rule", alerts.RemoveAlertRule),
    CommandKind(132, "commit-alerts", alerts.CommitAlerts, is_leader_only=True),
    CommandKind(133, "acknowledge-alert", alerts.AcknowledgeAlert),
    CommandKind(134, "put-silence", alerts.PutSilence),
    CommandKind(135, "end-silence", alerts.EndSilence),
    CommandKind(140, "put-webhook", webhooks.PutWebhook),
    CommandKind(141, "remove-webhook", webhooks.RemoveWebhook),
    CommandKind(142, "rotate-webhook-secret", webhooks.RotateWebhookSecret),
    CommandKind(143, "ping-webhook", webhooks.PingWebhook),
    CommandKind(144, "replay-deliveries", webhooks.ReplayDeliveries),
    CommandKind(145, "record-attempts", webhooks.RecordAttempts, is_leader_only=True),
    CommandKind(150, "put-export", exports.PutExport),
    CommandKind(151, "remove-export", exports.RemoveExport),
    CommandKind(152, "commit-export-progress", exports.CommitExportProgress, is_leader_only=True),
    CommandKind(160, "make-plan", plans.MakePlan),
    CommandKind(161, "decide-plan", plans.DecidePlan),
    CommandKind(162, "end-plan", plans.EndPlan),
    CommandKind(170, "keep-exchange", assistant.KeepExchange),
    CommandKind(171, "forget-conversation", assistant.ForgetConversation),
)

BY_NUMBER: dict[int, CommandKind] = {kind.number: kind for kind in KINDS}
BY_CLASS: dict[type[Any], CommandKind] = {kind.cls: kind for kind in KINDS}
assert len(BY_NUMBER) == len(BY_CLASS) == len(KINDS) == len({kind.name for kind in KINDS})
