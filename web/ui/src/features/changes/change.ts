import type { AlertView, AuditView, NodeView, RolloutView } from "@/api/openapi";
import { HOST_TONES, OUTCOME_TONES, ROLLOUT_TONES } from "@/components/tones";
import type { Tone } from "@/components/ui/badge";
import { capital } from "@/lib/format";
import { textsOf, translated } from "@/lib/i18n";
import { serverWords } from "@/lib/sentences";
import { messages } from "./messages";

/** One line of what happened. */
export interface Change {
  key: string;
  atMs: number;
  tone: Tone;
  actor: string;
  words: string;
  detail: string;
}

const SHOWN_MAX = 6;

/** What is known of what happened. */
export interface Known {
  rollouts: readonly RolloutView[];
  nodes: readonly NodeView[];
  audit: readonly AuditView[];
  alerts: readonly AlertView[];
}

/** Rollouts, hosts, alerts and audit entries in one list, newest first. */
export function changesOf({ rollouts, nodes, audit, alerts }: Known): Change[] {
  return [
    ...rollouts.map(ofRollout),
    ...alerts.flatMap(ofAlert),
    ...nodes.filter(isNews).map(ofNode),
    ...audit.filter(isChange).map(ofEntry),
  ]
    .sort((a, b) => b.atMs - a.atMs)
    .slice(0, SHOWN_MAX);
}

/** Who came and went is no change, and what became of a rollout is told by the rollout. */
function isChange({ action, outcome }: AuditView): boolean {
  if (outcome === "applied" && action.endsWith("-login")) return false;
  const [kind, verb = ""] = action.split(".");
  return !(kind === "rollout" && verb in ROLLOUT_TONES);
}

/** A host comes up when it joins, which is told as that. */
const JOINING_MS = 30_000;

function isNews(node: NodeView): boolean {
  return (
    node.status !== "left" && (node.status !== "up" || node.status_at_ms - node.joined_at_ms > JOINING_MS)
  );
}

function ofNode(node: NodeView): Change {
  const t = textsOf(messages);
  return {
    key: `node ${node.id} ${node.status_at_ms}`,
    atMs: node.status_at_ms,
    tone: HOST_TONES[node.status],
    actor: t.host(node.name),
    words: t.lives[node.status],
    detail: capital(serverWords(node.status_reason)),
  };
}

function ofRollout(rollout: RolloutView): Change {
  const t = textsOf(messages);
  return {
    key: `rollout ${rollout.id}`,
    atMs: rollout.changed_at_ms,
    tone: ROLLOUT_TONES[rollout.phase],
    actor: rollout.service_id,
    words: t.rollout(t.phases[rollout.phase], rollout.to_revision),
    detail: capital(serverWords(rollout.reason || rollout.progress)),
  };
}

/** That it fired, and that it is over. One that never fired was no news. */
function ofAlert(alert: AlertView): Change[] {
  const t = textsOf(messages);
  if (alert.fired_at_ms === null) return [];
  const base = { actor: alert.subject.name, detail: "" };
  const text = translated(alert.text, alert.translations);
  const fired: Change = {
    ...base,
    key: `alert ${alert.number}`,
    atMs: alert.fired_at_ms,
    tone: alert.severity === "critical" ? "bad" : "warn",
    words: `${t.firing}: ${text}`,
  };
  if (alert.resolved_at_ms === null) return [fired];
  return [
    fired,
    {
      ...base,
      key: `alert ${alert.number} over`,
      atMs: alert.resolved_at_ms,
      tone: "ok",
      words: `${t.resolved}: ${text}`,
    },
  ];
}

function ofEntry(entry: AuditView): Change {
  const isDone = entry.outcome === "applied";
  return {
    key: `audit ${entry.sequence}`,
    atMs: entry.at_ms,
    tone: OUTCOME_TONES[entry.outcome] ?? "neutral",
    ...sentenceOf(entry, isDone),
    detail: isDone ? "" : capital(serverWords(entry.reason || entry.outcome)),
  };
}

function sentenceOf(entry: AuditView, isDone: boolean): { actor: string; words: string } {
  const t = textsOf(messages);
  const [kind = "", verb = kind] = entry.action.split(".");
  const object = objectOf(kind, entry.resource);
  const times = t.times(entry.count);
  // A host comes with a token, and nobody is behind it any more.
  if (entry.action === "node.join" && isDone) return { actor: "", words: t.joined(capital(object), times) };
  const actor = entry.actor || t.stranger;
  if (entry.action === "request") return { actor, words: t.refused(times) };
  if (entry.action === "account.start-login") return { actor, words: t.triedLogin(times) };
  return { actor, words: isDone ? t.did(verb, object, times) : t.tried(verb, object, times) };
}

/** `container:h1/web` reads as "container h1/web". */
function objectOf(kind: string, resource: string): string {
  const [resourceKind = kind, ...name] = resource.split(":");
  return [textsOf(messages).kinds(resourceKind), name.join(":")].filter(Boolean).join(" ");
}
