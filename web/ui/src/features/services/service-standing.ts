import type { ReplicaStepView, ReplicaTrouble, RolloutView, ServiceView } from "@/api/openapi";
import type { Tone } from "@/components/ui/badge";

export interface Standing {
  tone: Tone;
  /** What there is to say about it; nothing when it is as it should be. */
  words: string;
  /** Why, and what each replica under way is doing. */
  details: readonly string[];
  /** The rollout that is under way; null when none is. */
  rollout: RolloutView | null;
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

/** More would hide the first. */
const DETAILS_MAX = 3;

/**
 * How a service stands, by what serves and never by what was asked for. `newest` is its newest rollout: a service
 * that is as wanted after a rollout that was taken back is not what its owner wanted last.
 */
export function standingOf(service: ServiceView, newest: RolloutView | undefined): Standing {
  const { replicas_ready: ready, replicas_wanted: wanted } = service;
  const plain = (tone: Tone, words: string): Standing => ({ tone, words, details: [], rollout: null });
  if (service.status === "removing") return plain("neutral", "Being removed");
  if (newest !== undefined && UNDER_WAY.includes(newest.phase)) {
    const { tone, lead } = PHASES[newest.phase];
    const steps = newest.replicas.map(stepWords).filter((words) => words !== "");
    const limits = newest.limits.map((limit) => limit.text);
    const said = [newest.reason, newest.verdict, steeringWords(newest), ...limits, ...steps];
    const details = few(said.filter((words) => words !== ""));
    return { tone, words: join(lead, newest.progress), details, rollout: newest };
  }
  if (wanted === 0) return plain("neutral", "Stopped: no replicas wanted");
  if (ready < wanted) {
    const isDown = ready === 0;
    const words = isDown ? "Nothing is serving" : `${wanted - ready} of ${wanted} replicas missing`;
    const failed = newest?.phase === "failed" ? [join(PHASES.failed.lead, newest.reason)] : [];
    const details = few([...failed, ...service.troubles.map(troubleWords)]);
    return { tone: isDown ? "bad" : "warn", words, details, rollout: null };
  }
  if (newest !== undefined && newest.phase !== "succeeded") {
    const { tone, lead } = PHASES[newest.phase];
    return plain(tone, join(lead, newest.reason));
  }
  return plain("ok", "");
}

/** What somebody asked for, until it is done. */
function steeringWords({ steering }: RolloutView): string {
  return steering === null ? "" : `${steering.by} asked to ${steering.steer}`;
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

/** What is happening to a replica; nothing of one that is done or whose turn has not come. */
export function stepWords(step: ReplicaStepView): string {
  const { ordinal, phase, node_name: host, old_node_name: oldHost } = step;
  const at = host === "" ? "" : ` on ${host}`;
  const from = oldHost === "" ? "" : ` on ${oldHost}`;
  const attempt = step.attempts > 1 ? `, attempt ${step.attempts}` : "";
  const saying = step.reason === "" ? "" : `: ${step.reason}`;
  switch (phase) {
    case "waiting":
    case "done":
      return "";
    case "starting":
      return `Replica ${ordinal} is starting${at}${attempt}${saying}`;
    case "routing":
      return `Replica ${ordinal}${at} is being put into the routers`;
    case "monitoring":
      return `Replica ${ordinal} serves${at} and is watched`;
    case "draining":
      return `Replica ${ordinal} serves${at}; its old copy${from} finishes its requests`;
    case "removing":
      return `Replica ${ordinal} serves${at}; its old copy${from} is being removed`;
  }
}

const TROUBLE: Record<ReplicaTrouble["phase"], string> = {
  pending: "is about to start",
  pulling: "is fetching its image",
  starting: "is starting",
  healthy: "is up and waits for the routers",
  unhealthy: "is unhealthy",
  exited: "ended",
  failed: "failed",
  removed: "was removed",
};

export function troubleWords(trouble: ReplicaTrouble): string {
  const { ordinal, node_name: host, phase, reason } = trouble;
  if (host === "") return `Replica ${ordinal} has no host yet`;
  if (trouble.is_host_down) return `Replica ${ordinal} is on ${host}, which is down`;
  return join(`Replica ${ordinal} on ${host} ${TROUBLE[phase]}`, reason);
}

function few(details: readonly string[]): readonly string[] {
  const more = details.length - DETAILS_MAX;
  return more > 1 ? [...details.slice(0, DETAILS_MAX), `and ${more} more`] : details;
}

function join(lead: string, rest: string): string {
  return rest === "" ? lead : `${lead}: ${rest}`;
}
