import type { AuditView, NodeView, RolloutView } from "@/api/openapi";
import type { Tone } from "@/components/ui/badge";
import { capital } from "@/lib/format";

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

const PHASES: Record<RolloutView["phase"], { tone: Tone; words: string }> = {
  running: { tone: "accent", words: "is rolling out" },
  paused: { tone: "warn", words: "has its rollout paused" },
  "rolling-back": { tone: "warn", words: "is rolling back" },
  succeeded: { tone: "ok", words: "was rolled out" },
  "rolled-back": { tone: "warn", words: "was rolled back" },
  failed: { tone: "bad", words: "failed to roll out" },
  cancelled: { tone: "neutral", words: "had its rollout cancelled" },
};

const TONES: Record<string, Tone> = {
  applied: "ok",
  rejected: "warn",
  denied: "bad",
  failed: "bad",
};

/** What was done, for verbs whose past tense is not the verb itself. */
const DONE: Record<string, string> = {
  abort: "aborted",
  approve: "approved",
  cancel: "cancelled",
  create: "created",
  "create-token": "created",
  deploy: "deployed",
  drain: "changed the draining of",
  kill: "killed",
  pause: "paused",
  promote: "promoted",
  remove: "removed",
  restart: "restarted",
  resume: "resumed",
  retry: "retried",
  revoke: "revoked",
  "revoke-token": "revoked",
  rollback: "rolled back",
  scale: "scaled",
  "set-password": "set the password of",
  "set-role": "changed the role of",
  "skip-analysis": "deployed without analysis",
  start: "started",
  stop: "stopped",
  "switch-traffic": "shared the requests of",
  "transfer-leadership": "handed over the leadership of",
  unpause: "resumed",
  write: "changed",
};

const KINDS: Record<string, string> = { "api-token": "API token", "join-token": "join token", node: "host" };

/** What is known of what happened. */
export interface Known {
  rollouts: readonly RolloutView[];
  nodes: readonly NodeView[];
  audit: readonly AuditView[];
}

/** Rollouts, hosts and audit entries in one list, newest first. */
export function changesOf({ rollouts, nodes, audit }: Known): Change[] {
  return [
    ...rollouts.map(ofRollout),
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
  return !(kind === "rollout" && verb in PHASES);
}

/** A host comes up when it joins, which is told as that. */
const JOINING_MS = 30_000;

function isNews(node: NodeView): boolean {
  return (
    node.status !== "left" && (node.status !== "up" || node.status_at_ms - node.joined_at_ms > JOINING_MS)
  );
}

const LIVES: Record<NodeView["status"], { tone: Tone; words: string }> = {
  up: { tone: "ok", words: "is up again" },
  suspect: { tone: "warn", words: "does not answer" },
  down: { tone: "bad", words: "is down" },
  left: { tone: "neutral", words: "left" },
};

function ofNode(node: NodeView): Change {
  const { tone, words } = LIVES[node.status];
  return {
    key: `node ${node.id} ${node.status_at_ms}`,
    atMs: node.status_at_ms,
    tone,
    actor: `Host ${node.name}`,
    words,
    detail: capital(node.status_reason),
  };
}

function ofRollout(rollout: RolloutView): Change {
  const { tone, words } = PHASES[rollout.phase];
  return {
    key: `rollout ${rollout.id}`,
    atMs: rollout.changed_at_ms,
    tone,
    actor: rollout.service_id,
    words: `${words} (revision ${rollout.to_revision})`,
    detail: capital(rollout.reason || rollout.progress),
  };
}

function ofEntry(entry: AuditView): Change {
  const isDone = entry.outcome === "applied";
  return {
    key: `audit ${entry.sequence}`,
    atMs: entry.at_ms,
    tone: TONES[entry.outcome] ?? "neutral",
    ...sentenceOf(entry, isDone),
    detail: isDone ? "" : capital(entry.reason || entry.outcome),
  };
}

function sentenceOf(entry: AuditView, isDone: boolean): { actor: string; words: string } {
  const [kind = "", verb = kind] = entry.action.split(".");
  const object = objectOf(kind, entry.resource);
  const times = entry.count > 1 ? ` (${entry.count} times)` : "";
  // A host comes with a token, and nobody is behind it any more.
  if (entry.action === "node.join" && isDone)
    return { actor: "", words: `${capital(object)} joined${times}` };
  const actor = entry.actor || "A stranger";
  if (entry.action === "request") return { actor, words: `was refused${times}` };
  if (entry.action === "account.start-login") return { actor, words: `tried to log in${times}` };
  const plain = verb.replaceAll("-", " ");
  return { actor, words: `${isDone ? (DONE[verb] ?? plain) : `tried to ${plain}`} ${object}${times}` };
}

/** `container:h1/web` reads as "container h1/web". */
function objectOf(kind: string, resource: string): string {
  const [resourceKind = kind, ...name] = resource.split(":");
  const word = KINDS[resourceKind] ?? resourceKind.replaceAll("-", " ");
  return [word, name.join(":")].filter(Boolean).join(" ");
}
