import { queryOptions } from "@tanstack/react-query";
import { request } from "@/api/client";
import type {
  ComparisonView,
  EventPage,
  EventView,
  ExperimentView,
  HistoryView,
  PlacementView,
  RolloutView,
  SchedulePage,
  ScheduleView,
  ServiceDetail,
  ServiceDriftPage,
} from "@/api/openapi";
import { isStatus } from "@/api/problem";

function pathOf(service: string, rest = ""): string {
  return `/services/${encodeURIComponent(service)}${rest}`;
}

/** Everything about one service, with what its hosts run. */
export function serviceQuery(service: string) {
  return queryOptions({
    queryKey: ["service", service, "detail"],
    queryFn: ({ signal }) => request<ServiceDetail>(pathOf(service), { signal }),
  });
}

export function historyQuery(service: string) {
  return queryOptions({
    queryKey: ["service", service, "history"],
    queryFn: ({ signal }) => request<HistoryView>(pathOf(service, "/history"), { signal }),
  });
}

export function placementQuery(service: string) {
  return queryOptions({
    queryKey: ["service", service, "placement"],
    queryFn: ({ signal }) => request<PlacementView>(pathOf(service, "/placement"), { signal }),
  });
}

export function comparisonQuery(service: string, before: number, after: number) {
  return queryOptions({
    queryKey: ["service", service, "comparison", before, after],
    queryFn: ({ signal }) =>
      request<ComparisonView>(pathOf(service, "/comparison"), { query: { before, after }, signal }),
  });
}

/** The newest experiment of a service; null when it never had one. */
export function experimentQuery(service: string) {
  return queryOptions({
    queryKey: ["service", service, "experiment"],
    queryFn: async ({ signal }): Promise<ExperimentView | null> => {
      try {
        return await request<ExperimentView>(pathOf(service, "/experiment"), { signal });
      } catch (error) {
        if (isStatus(error, 404)) return null;
        throw error;
      }
    },
  });
}

/** One rollout, by its id, or the newest of a service by that one's. */
export function rolloutQuery(reference: string) {
  return queryOptions({
    queryKey: ["service", "rollout", reference],
    queryFn: ({ signal }) => request<RolloutView>(`/rollouts/${encodeURIComponent(reference)}`, { signal }),
  });
}

const SCHEDULES_MAX = 200;

/** The planned deployments that a service is in. */
export function plannedQuery(service: string) {
  return queryOptions({
    queryKey: ["service", service, "planned"],
    queryFn: async ({ signal }): Promise<ScheduleView[]> => {
      const page = await request<SchedulePage>("/schedules", { query: { limit: SCHEDULES_MAX }, signal });
      return page.items.filter(
        ({ services, next_fire_ms: next }) =>
          next !== null && services.some(({ service_id: id }) => id === service),
      );
    },
  });
}

const EVENTS_MAX = 200;

/** What happened in a rollout, the newest first. */
export function rolloutEventsQuery(rollout: Pick<RolloutView, "id" | "started_at_ms">) {
  return queryOptions({
    queryKey: ["service", "rollout", rollout.id, "events"],
    queryFn: async ({ signal }): Promise<EventView[]> => {
      const query = { kinds: "rollout:*", since_ms: rollout.started_at_ms, limit: EVENTS_MAX };
      const page = await request<EventPage>("/events", { query, signal });
      return page.items.filter(
        ({ subject }) => (subject as Record<string, unknown>).rollout_id === rollout.id,
      );
    },
  });
}

const DRIFT_MAX = 1_000;
/** Hosts tell nobody that somebody had a hand in their containers: it is asked. */
const DRIFT_EVERY_MS = 30_000;

/** What runs otherwise than it was asked for, over all services. */
export const driftQuery = queryOptions({
  queryKey: ["service", "drift"],
  queryFn: async ({ signal }) =>
    (await request<ServiceDriftPage>("/drift", { query: { limit: DRIFT_MAX }, signal })).items,
  refetchInterval: DRIFT_EVERY_MS,
});
