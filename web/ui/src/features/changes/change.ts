import type { AuditView, RolloutView } from "@/api/openapi";
import type { Tone } from "@/components/ui/badge";

/** One line of what happened. */
export interface Change {
  key: string;
  atMs: number;
  tone: Tone;
  actor: string;
  words: string;
  detail: string;
}

const SHOWN_MAX = 8;

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

const DONE: Record<string, string> = {
  cancel: "cancelled",
  create: "created",
  deploy: "deployed",
  drain: "set draining of",
  join: "let in",
  kill: "killed",
  pause: "paused",
  remove: "removed",
  restart: "restarted",
  resume: "resumed",
  revoke: "revoked",
  rollback: "rolled back",
  scale: "scaled",
  start: "started",
  stop: "stopped",
  unpause: "resumed",
  write: "changed",
};

/** Rollouts and audit entries in one list, newest first. */
export function changesOf(rollouts: readonly RolloutView[], audit: readonly AuditView[]): Change[] {
  return [...rollouts.map(ofRollout), ...audit.map(ofEntry)]
    .sort((a, b) => b.atMs - a.atMs)
    .slice(0, SHOWN_MAX);
}

function ofRollout(rollout: RolloutView): Change {
  const { tone, words } = PHASES[rollout.phase];
  return {
    key: `rollout ${rollout.id}`,
    atMs: rollout.changed_at_ms,
    tone,
    actor: rollout.service_id,
    words: `${words} (revision ${rollout.to_revision})`,
    detail: rollout.progress || rollout.reason,
  };
}

function ofEntry(entry: AuditView): Change {
  const isDone = entry.outcome === "applied";
  const [kind = "", verb = kind] = entry.action.split(".");
  const words = (isDone && DONE[verb]) || verb.replaceAll("-", " ");
  return {
    key: `audit ${entry.sequence}`,
    atMs: entry.at_ms,
    tone: TONES[entry.outcome] ?? "neutral",
    actor: entry.actor || "A stranger",
    words: [
      isDone ? "" : "tried to",
      words,
      objectOf(kind, entry.resource),
      entry.count > 1 ? `(${entry.count} times)` : "",
    ]
      .filter(Boolean)
      .join(" "),
    detail: isDone ? "" : `${entry.outcome}: ${entry.reason}`,
  };
}

/** `container:h1/web` reads as "container h1/web". */
function objectOf(kind: string, resource: string): string {
  const [resourceKind = kind, ...name] = resource.split(":");
  return [resourceKind.replaceAll("-", " "), name.join(":")].filter(Boolean).join(" ");
}
