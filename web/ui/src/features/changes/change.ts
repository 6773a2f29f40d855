import type { AuditEntryView, RolloutView } from "@/api/types";
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

const OUTCOMES: Record<AuditEntryView["outcome"], { tone: Tone; words: string }> = {
  applied: { tone: "ok", words: "" },
  rejected: { tone: "warn", words: "rejected" },
  denied: { tone: "bad", words: "denied" },
  failed: { tone: "bad", words: "failed" },
};

/** Rollouts and audit entries in one list, newest first. */
export function changesOf(rollouts: readonly RolloutView[], audit: readonly AuditEntryView[]): Change[] {
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

function ofEntry(entry: AuditEntryView): Change {
  const { tone, words } = OUTCOMES[entry.outcome];
  const times = entry.count > 1 ? ` (${entry.count} times)` : "";
  return {
    key: `audit ${entry.sequence}`,
    atMs: entry.time_ms,
    tone,
    actor: entry.principal_name || "A stranger",
    words: `${sentenceOf(entry.action, entry.resource)}${times}${words === "" ? "" : `: ${words}`}`,
    detail: entry.outcome === "applied" ? "" : entry.reason,
  };
}

/** `container.restart` on `container:h1/web` reads as "restart container h1/web". */
function sentenceOf(action: string, resource: string): string {
  const [kind = "", verb = action] = action.split(".");
  const [resourceKind = kind, ...name] = resource.split(":");
  return [verb.replaceAll("-", " "), resourceKind.replaceAll("-", " "), name.join(":")]
    .filter(Boolean)
    .join(" ");
}
