"""Apply one log entry: the same on every node, whatever its bytes are.

The order: read the envelope; recognise a repeated command; fence a leader that was replaced; run the
handler, keeping its writes only when it applied; write the audit entry; record the outcome for a retry.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from cluster.commands import access as access_commands
from cluster.commands import adoption as adoption_commands
from cluster.commands import alerts as alert_commands
from cluster.commands import assistant as assistant_commands
from cluster.commands import audit as audit_commands
from cluster.commands import environments as environment_commands
from cluster.commands import exports as export_commands
from cluster.commands import leadership as leadership_commands
from cluster.commands import metrics as metric_commands
from cluster.commands import nodes as node_commands
from cluster.commands import permissions as permission_commands
from cluster.commands import plans as plan_commands
from cluster.commands import route_certificates as certificate_commands
from cluster.commands import schedules as schedule_commands
from cluster.commands import second_factors as factor_commands
from cluster.commands import secrets as secret_commands
from cluster.commands import services as service_commands
from cluster.commands import settings as setting_commands
from cluster.commands import sign_in as sign_in_commands
from cluster.commands import watching as watch_commands
from cluster.commands import web_certificates as web_certificate_commands
from cluster.commands import webhooks as webhook_commands
from cluster.commands import windows as window_commands
from cluster.commands.envelope import Envelope, MalformedCommand, SkippedCommand, decode
from cluster.commands.outcome import Applied, Code, Outcome, Rejected, decode_outcome, encode_outcome
from cluster.commands.registry import BY_CLASS, CommandKind
from cluster.model.audit import AuditStamp
from cluster.state_machine import (
    access,
    adoption,
    alerts,
    assistant,
    audit_trail,
    environments,
    exports,
    hooks,
    leadership,
    metrics,
    nodes,
    permissions,
    plans,
    route_certificates,
    scheduling,
    second_factors,
    secrets,
    services,
    settings,
    sign_in,
    web_certificates,
    webhooks,
)
from cluster.state_machine.clients import Client
from cluster.state_machine.entry import Entry
from cluster.store import StoreError, WriteTxn

log = logging.getLogger(__name__)

Handler = Callable[[Entry, Any], Outcome]

HANDLERS: dict[type[Any], Handler] = {
    leadership_commands.TakeLeadership: leadership.take_leadership,
    node_commands.InitializeCluster: nodes.initialize_cluster,
    node_commands.RegisterNode: nodes.register_node,
    node_commands.UpdateNodeFacts: nodes.update_node_facts,
    node_commands.SetNodeStatus: nodes.set_node_status,
    node_commands.SetNodeDraining: nodes.set_node_draining,
    node_commands.SetNodeLabels: nodes.set_node_labels,
    node_commands.SetNodeMaintenance: nodes.set_node_maintenance,
    node_commands.ConfirmNodeFenced: nodes.confirm_node_fenced,
    node_commands.SetNodeRole: nodes.set_node_role,
    node_commands.RemoveNode: nodes.remove_node,
    setting_commands.PutSetting: settings.put_setting,
    node_commands.CreateJoinToken: nodes.create_join_token,
    node_commands.RedeemJoinToken: nodes.redeem_join_token,
    node_commands.RevokeJoinToken: nodes.revoke_join_token,
    node_commands.RecordCertificate: nodes.record_certificate,
    access_commands.PutSetupToken: access.put_setup_token,
    access_commands.CreateUser: access.create_user,
    access_commands.SetPassword: access.set_password,
    access_commands.RehashPassword: access.rehash_password,
    access_commands.SetRole: access.set_role,
    access_commands.RemoveUser: access.remove_user,
    access_commands.CreateApiToken: access.create_api_token,
    access_commands.RevokeApiToken: access.revoke_api_token,
    access_commands.StartLogin: access.start_login,
    access_commands.RotateLogin: access.rotate_login,
    access_commands.EndLogin: access.end_login,
    factor_commands.PutSecondFactor: second_factors.put_second_factor,
    factor_commands.RemoveSecondFactor: second_factors.remove_second_factor,
    factor_commands.PutRecoveryCodes: second_factors.put_recovery_codes,
    factor_commands.EndLogins: second_factors.end_logins,
    sign_in_commands.PutProvider: sign_in.put_provider,
    sign_in_commands.RemoveProvider: sign_in.remove_provider,
    sign_in_commands.SyncAccount: sign_in.sync_account,
    sign_in_commands.NoteTokenUses: sign_in.note_token_uses,
    permission_commands.PutCustomRole: permissions.put_custom_role,
    permission_commands.RemoveCustomRole: permissions.remove_custom_role,
    permission_commands.PutBinding: permissions.put_binding,
    permission_commands.RemoveBinding: permissions.remove_binding,
    service_commands.PutService: services.put_service,
    service_commands.RemoveService: services.remove_service,
    service_commands.CommitTransition: services.commit_transition,
    service_commands.ReportAssignments: services.report_assignments,
    service_commands.AttemptRevision: services.attempt_revision,
    service_commands.ScaleService: services.scale_service,
    service_commands.StartExperiment: services.start_experiment,
    service_commands.SteerRollout: services.steer_rollout,
    service_commands.SetSplit: services.set_split,
    service_commands.MoveReplicas: services.move_replicas,
    service_commands.ReportHook: hooks.report_hook,
    adoption_commands.AdoptContainers: adoption.adopt_containers,
    secret_commands.PutFile: secrets.put_file,
    secret_commands.RemoveFile: secrets.remove_file,
    secret_commands.PutRegistryCredential: secrets.put_registry_credential,
    secret_commands.RemoveRegistryCredential: secrets.remove_registry_credential,
    certificate_commands.PutRouteCertificate: route_certificates.put_route_certificate,
    certificate_commands.RemoveRouteCertificate: route_certificates.remove_route_certificate,
    web_certificate_commands.PutWebCertificate: web_certificates.put_web_certificate,
    web_certificate_commands.RemoveWebCertificate: web_certificates.remove_web_certificate,
    environment_commands.PutEnvironment: environments.put_environment,
    environment_commands.RemoveEnvironment: environments.remove_environment,
    schedule_commands.PutSchedule: scheduling.put_schedule,
    schedule_commands.RemoveSchedule: scheduling.remove_schedule,
    schedule_commands.FireSchedule: scheduling.fire_schedule,
    schedule_commands.PassMoment: scheduling.pass_moment,
    window_commands.PutWindow: scheduling.put_window,
    window_commands.RemoveWindow: scheduling.remove_window,
    window_commands.PutFreeze: scheduling.put_freeze,
    window_commands.EndFreeze: scheduling.end_freeze,
    watch_commands.PutWatch: scheduling.put_watch,
    watch_commands.RemoveWatch: scheduling.remove_watch,
    watch_commands.NoteDigest: scheduling.note_digest,
    watch_commands.UpdateImage: scheduling.update_image,
    metric_commands.RecordSamples: metrics.record_samples,
    metric_commands.DefineSubjects: metrics.define_subjects,
    alert_commands.PutAlertRule: alerts.put_alert_rule,
    alert_commands.RemoveAlertRule: alerts.remove_alert_rule,
    alert_commands.CommitAlerts: alerts.commit_alerts,
    alert_commands.AcknowledgeAlert: alerts.acknowledge_alert,
    alert_commands.PutSilence: alerts.put_silence,
    alert_commands.EndSilence: alerts.end_silence,
    webhook_commands.PutWebhook: webhooks.put_webhook,
    webhook_commands.RemoveWebhook: webhooks.remove_webhook,
    webhook_commands.RotateWebhookSecret: webhooks.rotate_webhook_secret,
    webhook_commands.PingWebhook: webhooks.ping_webhook,
    webhook_commands.ReplayDeliveries: webhooks.replay_deliveries,
    webhook_commands.RecordAttempts: webhooks.record_attempts,
    export_commands.PutExport: exports.put_export,
    export_commands.RemoveExport: exports.remove_export,
    export_commands.CommitExportProgress: exports.commit_export_progress,
    plan_commands.MakePlan: plans.make_plan,
    plan_commands.DecidePlan: plans.decide_plan,
    plan_commands.EndPlan: plans.end_plan,
    assistant_commands.KeepExchange: assistant.keep_exchange,
    assistant_commands.ForgetConversation: assistant.forget_conversation,
    audit_commands.RecordAudit: audit_trail.record_audit,
}
assert HANDLERS.keys() == BY_CLASS.keys()


def apply(txn: WriteTxn, index: int, term: int, data: bytes) -> Outcome:
    """Apply the command in `data` to `txn`, and return what became of it.

    Total and deterministic: any bytes give Applied or Rejected, equal on every node.

    Raises:
        NewerCommand: only a newer version can apply it; `txn` was not written to.
        StoreError: this node's disk failed; nothing of the entry may be kept.
    """
    return decode_outcome(apply_encoded(txn, index, term, data))


def apply_encoded(txn: WriteTxn, index: int, term: int, data: bytes) -> bytes:
    """As `apply`, but return the outcome's bytes, which is what the log's users and the state keep."""
    try:
        envelope = decode(data)
    except MalformedCommand as error:
        return encode_outcome(Rejected(f"malformed command: {error}", Code.MALFORMED))
    kind = BY_CLASS.get(type(envelope.command))
    if kind is None:
        return _skip(txn, envelope.command)
    if kind.is_ignorable:
        return _apply_ignorable(txn, index, term, envelope, kind)
    client = Client(txn, envelope.client_id)
    earlier = client.earlier_outcome(envelope.sequence, envelope.time_ms)
    if isinstance(earlier, bytes):
        return earlier
    txn.log_time_ms = max(txn.log_time_ms, envelope.time_ms)
    entry = Entry(txn, index, term, txn.log_time_ms, envelope.leader_term)
    if earlier is None:
        outcome, encoded = _run(entry, envelope, kind)
    else:
        outcome, encoded = earlier, encode_outcome(earlier)
    if envelope.audit is not None:
        encoded = _audit(entry, envelope.audit, kind, outcome, encoded)
    if earlier is None:
        client.record(envelope.sequence, encoded, txn.log_time_ms)
    return encoded


def _run(entry: Entry, envelope: Envelope, kind: CommandKind) -> tuple[Outcome, bytes]:
    """Run the handler; of its writes, only those of a command that applied are left."""
    outcome: Outcome
    try:
        refused = None
        if kind.cls is not leadership_commands.TakeLeadership:
            refused = leadership.fence(entry, is_leader_only=kind.is_leader_only)
        outcome = HANDLERS[kind.cls](entry, envelope.command) if refused is None else refused
        encoded = encode_outcome(outcome)
    except (StoreError, MemoryError):
        raise
    except Exception as error:
        # A mistake in a handler is the same on every node; stopping would stop them all, again at every
        # restart.
        log.exception("apply.handler_failed", extra={"index": entry.index, "command": kind.name})
        outcome = Rejected(f"internal error in {kind.name}: {type(error).__name__}", Code.INTERNAL)
        encoded = encode_outcome(outcome)
    if not isinstance(outcome, Applied):
        entry.txn.discard_writes()
    return outcome, encoded


def _audit(entry: Entry, stamp: AuditStamp, kind: CommandKind, outcome: Outcome, encoded: bytes) -> bytes:
    """Append the audit entry; when that fails, nothing of the command is left either."""
    try:
        audit_trail.record_request(entry, stamp, kind.name, outcome)
    except (StoreError, MemoryError):
        raise
    except Exception as error:
        log.exception("apply.audit_failed", extra={"index": entry.index, "command": kind.name})
        entry.txn.discard_writes()
        return encode_outcome(
            Rejected(f"the audit entry could not be written: {type(error).__name__}", Code.AUDIT_UNAVAILABLE)
        )
    return encoded


def _skip(txn: WriteTxn, command: SkippedCommand) -> bytes:
    txn.is_hashed = False
    return encode_outcome(
        Rejected(
            f"command {command.number} version {command.version} is not known here and was skipped",
            Code.UNKNOWN_COMMAND,
        )
    )


def _apply_ignorable(txn: WriteTxn, index: int, term: int, envelope: Envelope, kind: CommandKind) -> bytes:
    """Apply what another node may skip: it must leave no trace in anything that is compared between nodes.

    So there is no audit entry, no log time, and no memory of it: it may be applied twice.
    """
    txn.is_hashed = False
    _, encoded = _run(Entry(txn, index, term, txn.log_time_ms, envelope.leader_term), envelope, kind)
    return encoded
