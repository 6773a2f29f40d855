import type {
  AlertView,
  ClusterView,
  ContainerView,
  HostLiveView,
  HostProblem,
  PlanState,
  RolloutView,
  ServiceView,
} from "./openapi";

/** What the live connection says: first everything of a topic, as `data`, and then what changes. */
export type LiveMessage =
  | { topic: "cluster"; data: ClusterView }
  | { topic: "metrics"; data: HostLiveView[] }
  | { topic: "alerts"; data: { items: AlertView[] } }
  | { topic: "alerts"; event: string; new: number[]; changed: AlertView[]; removed: number[] }
  | { topic: "services"; data: { items: ServiceView[]; rollouts: RolloutView[] } }
  | { topic: "services"; changed: ServiceView[]; removed: string[]; rollouts: RolloutView[] }
  | { topic: "plans"; data: { items: PlanNews[] } }
  | { topic: "plans"; changed: PlanNews[]; removed: string[] }
  | { topic: "containers"; data: { items: ContainerView[]; problems: HostProblem[] } }
  | {
      topic: "containers";
      changed: ContainerView[];
      removed: { node_id: string; id: string }[];
      problems: HostProblem[];
    };

/** How far an open plan is; what may be done about it depends on who asks. */
export interface PlanNews {
  id: string;
  version: number;
  state: PlanState;
  summary: string;
  asked_by: string;
  services: string[];
}

export type Topic = LiveMessage["topic"];

export const TOPICS: readonly Topic[] = ["cluster", "containers", "services", "metrics", "alerts", "plans"];

export type Heard = { message: LiveMessage } | { heartbeatMs: number } | null;

/** What a text from the server is: news, a heartbeat with the server's time, or nothing this page knows. */
export function parseLive(text: unknown): Heard {
  if (typeof text !== "string") return null;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return null;
  }
  if (typeof value !== "object" || value === null) return null;
  if ("heartbeat" in value && typeof value.heartbeat === "number") return { heartbeatMs: value.heartbeat };
  const isKnown = "topic" in value && TOPICS.some((topic) => topic === value.topic);
  return isKnown && ("data" in value || "changed" in value) ? { message: value as LiveMessage } : null;
}
