import type { RolloutView, ServiceView } from "@/api/openapi";
import { standingOf } from "./service-standing";

export const SERVICE_STATES = ["attention", "rolling-out", "running", "stopped"] as const;
export type ServiceState = (typeof SERVICE_STATES)[number];

/** What of the services is shown; empty parts let everything pass. */
export interface ServicesView {
  text: string;
  project: string;
  state: ServiceState | "";
  host: string;
}

/** How a service stands, in the words that the list is filtered by. */
export function stateOf(service: ServiceView, newest: RolloutView | undefined): ServiceState {
  const { tone, rollout } = standingOf(service, newest);
  if (tone === "bad") return "attention";
  if (rollout !== null) return rollout.phase === "running" ? "rolling-out" : "attention";
  if (tone === "warn") return "attention";
  return service.replicas_wanted === 0 ? "stopped" : "running";
}

/** The services that are as searched, by id. */
export function filtered(
  services: readonly ServiceView[],
  newest: ReadonlyMap<string, RolloutView>,
  view: ServicesView,
): ServiceView[] {
  const words = view.text.toLowerCase().split(/\s+/).filter(Boolean);
  return services
    .filter((service) => {
      if (view.project !== "" && service.project !== view.project) return false;
      if (view.host !== "" && !service.nodes.includes(view.host)) return false;
      if (view.state !== "" && stateOf(service, newest.get(service.id)) !== view.state) return false;
      const text = [service.id, service.image, ...service.nodes, ...service.routes].join(" ").toLowerCase();
      return words.every((word) => text.includes(word));
    })
    .sort((a, b) => (a.id < b.id ? -1 : 1));
}
