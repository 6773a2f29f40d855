import type { AlertView, ContainerView, NodeView, PlanView, RolloutView, ServiceView } from "@/api/openapi";
import type { Tone } from "@/components/ui/badge";
import { textsOf, translated } from "@/lib/i18n";
import { serverWords } from "@/lib/sentences";
import { messages } from "./messages";

/** Something a person should look at. */
export interface Matter {
  key: string;
  tone: Extract<Tone, "bad" | "warn">;
  /** What it is about: a host, a service, a container, an alert's subject. */
  name: string;
  words: string;
  sinceMs: number | null;
  /** Where it is looked at. */
  to: Target;
}

export type Target =
  | { page: "host"; id: string }
  | { page: "service"; id: string }
  | { page: "rollout"; id: string }
  | { page: "container"; node: string; id: string }
  | { page: "alert"; number: number }
  | { page: "plan"; id: string };

export interface Known {
  nodes: readonly NodeView[];
  services: readonly ServiceView[];
  rollouts: readonly RolloutView[];
  containers: readonly ContainerView[];
  alerts: readonly AlertView[];
  plans: readonly PlanView[];
}

/**
 * What needs attention, the worst first and the oldest of those first. Each thing is named once: an alert about a
 * host, service or container that is in the list already says nothing new and is left out.
 */
export function mattersOf(known: Known): Matter[] {
  const matters = [
    ...known.nodes.flatMap(ofNode),
    ...known.services.flatMap((service) => ofService(service, newestOf(known.rollouts, service.id))),
    ...known.containers.flatMap(ofContainer),
    ...known.plans.flatMap(ofPlan),
  ];
  const named = new Set(matters.map(({ name }) => name));
  const told = known.alerts
    .filter((alert) => alert.state === "firing" && !named.has(alert.subject.name))
    .map(ofAlert);
  const isBad = ({ tone }: Matter) => (tone === "bad" ? 0 : 1);
  return [...matters, ...told].sort(
    (a, b) => isBad(a) - isBad(b) || (a.sinceMs ?? Number.MAX_VALUE) - (b.sinceMs ?? Number.MAX_VALUE),
  );
}

function newestOf(rollouts: readonly RolloutView[], serviceId: string): RolloutView | undefined {
  return rollouts
    .filter((rollout) => rollout.service_id === serviceId)
    .reduce<RolloutView | undefined>(
      (newest, each) => (newest === undefined || each.started_at_ms > newest.started_at_ms ? each : newest),
      undefined,
    );
}

function ofNode(node: NodeView): Matter[] {
  const { hostIs } = textsOf(messages);
  const to: Target = { page: "host", id: node.id };
  const base = { key: `node ${node.id}`, name: node.name, to };
  if (node.status === "down")
    return [{ ...base, tone: "bad", words: hostIs.down, sinceMs: node.status_at_ms }];
  if (node.status === "suspect")
    return [{ ...base, tone: "warn", words: hostIs.suspect, sinceMs: node.status_at_ms }];
  if (node.status === "up" && node.problem !== "")
    return [
      {
        ...base,
        tone: "warn",
        words: serverWords(node.problem) || hostIs.problem,
        sinceMs: node.last_seen_ms,
      },
    ];
  return [];
}

function ofService(service: ServiceView, newest: RolloutView | undefined): Matter[] {
  const t = textsOf(messages);
  const base = { key: `service ${service.id}`, name: service.id };
  const ofRollout = (tone: Matter["tone"], words: string, rollout: RolloutView): Matter[] => [
    { ...base, tone, words, sinceMs: rollout.changed_at_ms, to: { page: "rollout", id: rollout.id } },
  ];
  if (newest?.can.includes("approve")) return ofRollout("warn", t.approval, newest);
  if (newest?.phase === "paused") return ofRollout("warn", t.rolloutPaused, newest);
  const missing = service.replicas_wanted - service.replicas_ready;
  // While a rollout is under way it says itself what is missing.
  const isUnderWay = newest?.phase === "running" || newest?.phase === "rolling-back";
  if (missing > 0 && service.status !== "removing" && (!isUnderWay || service.replicas_ready === 0))
    return [
      {
        ...base,
        tone: service.replicas_ready === 0 ? "bad" : "warn",
        words: t.replicasMissing(missing, service.replicas_wanted),
        sinceMs: null,
        to: { page: "service", id: service.id },
      },
    ];
  if (newest?.phase === "failed") return ofRollout("bad", t.rolloutFailed, newest);
  if (newest?.phase === "rolled-back") return ofRollout("warn", t.rolledBack, newest);
  return [];
}

/** Replicas of services are told by their service. */
function ofContainer(container: ContainerView): Matter[] {
  const t = textsOf(messages);
  if (container.is_managed) return [];
  const base = {
    key: `container ${container.node_id} ${container.id}`,
    name: container.name,
    sinceMs: null,
    to: { page: "container", node: container.node_id, id: container.id } as const,
  };
  if (container.state === "restarting")
    return [{ ...base, tone: "warn", words: t.restarting(container.node_name) }];
  if (container.state === "running" && container.health === "unhealthy")
    return [{ ...base, tone: "bad", words: t.unhealthy(container.node_name) }];
  return [];
}

/** Only what this person may let through is theirs to look at. */
function ofPlan(plan: PlanView): Matter[] {
  if (!plan.can.includes("approve")) return [];
  return [
    {
      key: `plan ${plan.id}`,
      tone: "warn",
      name: serverWords(plan.summary),
      words: textsOf(messages).planWaits(plan.asked_by),
      sinceMs: plan.made_at_ms,
      to: { page: "plan", id: plan.id },
    },
  ];
}

function ofAlert(alert: AlertView): Matter {
  return {
    key: `alert ${alert.number}`,
    tone: alert.severity === "critical" ? "bad" : "warn",
    name: alert.subject.name,
    words: translated(alert.text, alert.translations),
    sinceMs: alert.since_ms,
    to: { page: "alert", number: alert.number },
  };
}
