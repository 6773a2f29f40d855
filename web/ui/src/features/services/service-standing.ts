import type { ReplicaStepView, ReplicaTrouble, RolloutView, ServiceView } from "@/api/openapi";
import { ROLLOUT_TONES } from "@/components/tones";
import type { Tone } from "@/components/ui/badge";
import { textsOf } from "@/lib/i18n";
import { serverWords } from "@/lib/sentences";
import { messages } from "./messages";

export interface Standing {
  tone: Tone;
  /** What there is to say about it; nothing when it is as it should be. */
  words: string;
  /** Why, and what each replica under way is doing. */
  details: readonly string[];
  /** The rollout that is under way; null when none is. */
  rollout: RolloutView | null;
}

const UNDER_WAY: readonly RolloutView["phase"][] = ["running", "paused", "rolling-back"];

export function isUnderWay({ phase }: Pick<RolloutView, "phase">): boolean {
  return UNDER_WAY.includes(phase);
}

/** More would hide the first. */
const DETAILS_MAX = 3;

/**
 * How a service stands, by what serves and never by what was asked for. `newest` is its newest rollout: a service
 * that is as wanted after a rollout that was taken back is not what its owner wanted last.
 */
export function standingOf(service: ServiceView, newest: RolloutView | undefined): Standing {
  const { replicas_ready: ready, replicas_wanted: wanted } = service;
  const t = textsOf(messages);
  const plain = (tone: Tone, words: string): Standing => ({ tone, words, details: [], rollout: null });
  if (service.status === "removing") return plain("neutral", t.removing);
  if (newest !== undefined && isUnderWay(newest)) {
    const steps = newest.replicas.map(stepWords).filter((words) => words !== "");
    const limits = newest.limits.map((limit) => serverWords(limit.text));
    // Why it is paused may be the judge's word already.
    const verdict = newest.reason.includes(newest.verdict) ? "" : newest.verdict;
    const said = [
      serverWords(newest.reason),
      serverWords(verdict),
      steeringWords(newest),
      ...limits,
      ...steps,
    ];
    const details = few(said.filter((words) => words !== ""));
    return {
      tone: ROLLOUT_TONES[newest.phase],
      words: join(t.leads[newest.phase], serverWords(newest.progress)),
      details,
      rollout: newest,
    };
  }
  if (wanted === 0) return plain("neutral", t.stopped);
  if (ready < wanted) {
    const isDown = ready === 0;
    const words = isDown ? t.nothingServes : t.missing(wanted - ready, wanted);
    const failed = newest?.phase === "failed" ? [join(t.leads.failed, serverWords(newest.reason))] : [];
    const details = few([...failed, ...service.troubles.map(troubleWords)]);
    return { tone: isDown ? "bad" : "warn", words, details, rollout: null };
  }
  if (newest !== undefined && newest.phase !== "succeeded") {
    return plain(ROLLOUT_TONES[newest.phase], join(t.leads[newest.phase], serverWords(newest.reason)));
  }
  return plain("ok", "");
}

/** What somebody asked for, until it is done. */
function steeringWords({ steering }: RolloutView): string {
  if (steering === null) return "";
  const t = textsOf(messages);
  return t.askedTo(steering.by, t.verbs[steering.steer].toLowerCase());
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
  const t = textsOf(messages);
  const at = t.at(host);
  const from = t.at(oldHost);
  const saying = step.reason === "" ? "" : `: ${serverWords(step.reason)}`;
  switch (phase) {
    case "waiting":
    case "done":
      return "";
    case "starting":
      return t.stepStarting(ordinal, at, t.attempt(step.attempts), saying);
    case "routing":
      return t.stepRouting(ordinal, at);
    case "monitoring":
      return t.stepMonitoring(ordinal, at);
    case "draining":
      return t.stepDraining(ordinal, at, from);
    case "removing":
      return t.stepRemoving(ordinal, at, from);
  }
}

export function troubleWords(trouble: ReplicaTrouble): string {
  const { ordinal, node_name: host, phase, reason } = trouble;
  const t = textsOf(messages);
  if (host === "") return t.troubleNoHost(ordinal);
  if (trouble.is_host_down) return t.troubleDown(ordinal, host);
  return join(t.trouble(ordinal, host, t.troubles[phase]), serverWords(reason));
}

function few(details: readonly string[]): readonly string[] {
  const more = details.length - DETAILS_MAX;
  return more > 1 ? [...details.slice(0, DETAILS_MAX), textsOf(messages).andMore(more)] : details;
}

function join(lead: string, rest: string): string {
  return rest === "" ? lead : `${lead}: ${rest}`;
}
