import type { RolloutView, ServiceView } from "@/api/types";
import type { Tone } from "@/components/ui/badge";

export interface Standing {
  tone: Tone;
  /** How the service stands, in one sentence. */
  words: string;
}

const PHASES: Record<RolloutView["phase"], { tone: Tone; lead: string }> = {
  running: { tone: "accent", lead: "Rolling out" },
  paused: { tone: "warn", lead: "Rollout paused" },
  "rolling-back": { tone: "warn", lead: "Rolling back" },
  succeeded: { tone: "ok", lead: "" },
  "rolled-back": { tone: "warn", lead: "Rolled back" },
  failed: { tone: "bad", lead: "Rollout failed" },
  cancelled: { tone: "neutral", lead: "Rollout cancelled" },
};

const UNDER_WAY: readonly RolloutView["phase"][] = ["running", "paused", "rolling-back"];

/** The rollout that has not ended yet, if there is one. */
function underWay({ rollout }: ServiceView): RolloutView | null {
  return rollout !== null && UNDER_WAY.includes(rollout.phase) ? rollout : null;
}

/** What is running decides, never what was asked for: a service without its replicas is not fine. */
export function standingOf(service: ServiceView): Standing {
  const { rollout } = service;
  if (service.is_removed) return { tone: "neutral", words: "Being removed" };
  const current = underWay(service);
  if (current !== null) {
    const { tone, lead } = PHASES[current.phase];
    return { tone, words: join(lead, current.progress || current.reason) };
  }
  if (service.serving === 0 && service.replicas > 0) return { tone: "bad", words: "Nothing is serving" };
  if (service.serving < service.replicas) return { tone: "warn", words: "Fewer replicas than wanted" };
  if (rollout !== null && rollout.phase !== "succeeded") {
    const { tone, lead } = PHASES[rollout.phase];
    return { tone, words: join(lead, rollout.reason) };
  }
  return { tone: "ok", words: "As wanted" };
}

/** How much of the rollout under way is done, 0 to 1; null when none is. */
export function progressOf(service: ServiceView): number | null {
  const rollout = underWay(service);
  if (rollout === null) return null;
  return rollout.replicas_total === 0 ? 0 : rollout.replicas_done / rollout.replicas_total;
}

function join(lead: string, rest: string): string {
  return rest === "" ? lead : `${lead}: ${rest}`;
}
