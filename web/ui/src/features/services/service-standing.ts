import type { RolloutView, ServiceView } from "@/api/openapi";
import type { Tone } from "@/components/ui/badge";

export interface Standing {
  tone: Tone;
  /** What there is to say about it; nothing when it is as it should be. */
  words: string;
  /** How much of the rollout under way is done, 0 to 1; null when none is. */
  progress: number | null;
}

const PHASES: Record<RolloutView["phase"], { tone: Tone; lead: string }> = {
  running: { tone: "accent", lead: "Rolling out" },
  paused: { tone: "warn", lead: "Rollout paused" },
  "rolling-back": { tone: "warn", lead: "Rolling back" },
  succeeded: { tone: "ok", lead: "" },
  "rolled-back": { tone: "warn", lead: "Last rollout was taken back" },
  failed: { tone: "bad", lead: "Last rollout failed" },
  cancelled: { tone: "neutral", lead: "Last rollout was cancelled" },
};

const UNDER_WAY: readonly RolloutView["phase"][] = ["running", "paused", "rolling-back"];

/**
 * How a service stands, by what serves and never by what was asked for. `rollout` is its newest one: a service that
 * is as wanted after a rollout that was taken back is not what its owner wanted last.
 */
export function standingOf(service: ServiceView, rollout: RolloutView | undefined): Standing {
  const { replicas_ready: ready, replicas_wanted: wanted } = service;
  if (service.status === "removing") return { tone: "neutral", words: "Being removed", progress: null };
  if (rollout !== undefined && UNDER_WAY.includes(rollout.phase)) {
    const { tone, lead } = PHASES[rollout.phase];
    return { tone, words: join(lead, rollout.progress), progress: shareDone(rollout) };
  }
  if (wanted === 0) return { tone: "neutral", words: "Stopped: no replicas wanted", progress: null };
  if (ready === 0) return { tone: "bad", words: "Nothing is serving", progress: null };
  if (ready < wanted) return { tone: "warn", words: "Fewer replicas than wanted", progress: null };
  if (rollout !== undefined && rollout.phase !== "succeeded") {
    const { tone, lead } = PHASES[rollout.phase];
    return { tone, words: join(lead, rollout.reason), progress: null };
  }
  return { tone: "ok", words: "", progress: null };
}

/** The newest rollout of each service. */
export function newestRollouts(rollouts: readonly RolloutView[]): Map<string, RolloutView> {
  const newest = new Map<string, RolloutView>();
  for (const rollout of rollouts) {
    const known = newest.get(rollout.service_id);
    if (known === undefined || rollout.started_at_ms > known.started_at_ms)
      newest.set(rollout.service_id, rollout);
  }
  return newest;
}

function shareDone({ replicas }: RolloutView): number {
  return replicas.length === 0
    ? 0
    : replicas.filter((step) => step.phase === "done").length / replicas.length;
}

function join(lead: string, rest: string): string {
  return rest === "" ? lead : `${lead}: ${rest}`;
}
