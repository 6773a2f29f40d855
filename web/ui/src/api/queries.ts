import { queryOptions } from "@tanstack/react-query";
import { request } from "./client";
import type {
  AlertPage,
  AuditPage,
  ClusterView,
  ContainerPage,
  ContainerView,
  EnvironmentPage,
  HostLiveView,
  HostProblem,
  RolloutPage,
  ServicePage,
} from "./openapi";

const PAGE_LIMIT = 1_000;
const PAGES_MAX = 20;

/** The cluster and its hosts. */
export const clusterQuery = queryOptions({
  queryKey: ["cluster"],
  queryFn: ({ signal }) => request<ClusterView>("/cluster", { signal }),
});

export interface ContainerList {
  containers: ContainerView[];
  problems: HostProblem[];
}

/** What tells a container from those of every other host. */
export function containerKey({ node_id, id }: { node_id: string; id: string }): string {
  return `${node_id} ${id}`;
}

/** Every container of every host. */
export const containersQuery = queryOptions({
  queryKey: ["containers"],
  queryFn: async ({ signal }): Promise<ContainerList> => {
    const containers: ContainerView[] = [];
    let problems: HostProblem[] = [];
    let cursor: string | null = null;
    for (let page = 0; page < PAGES_MAX; page += 1) {
      const answer: ContainerPage = await request("/containers", {
        query: { limit: PAGE_LIMIT, cursor },
        signal,
      });
      containers.push(...answer.items);
      problems = answer.problems;
      cursor = answer.next_cursor;
      if (cursor === null) break;
    }
    return { containers, problems };
  },
});

export const servicesQuery = queryOptions({
  queryKey: ["services"],
  queryFn: async ({ signal }) => (await request<ServicePage>("/services", { signal })).items,
});

/** Where services are deployed to, by name. */
export const environmentsQuery = queryOptions({
  queryKey: ["environments"],
  queryFn: async ({ signal }) =>
    (await request<EnvironmentPage>("/environments", { query: { limit: 200 }, signal })).items,
});

/** Rollouts, newest first. */
export const rolloutsQuery = queryOptions({
  queryKey: ["rollouts"],
  queryFn: async ({ signal }) => (await request<RolloutPage>("/rollouts", { signal })).items,
});

/** The newest audit entries; administrators only. */
export const auditQuery = queryOptions({
  queryKey: ["audit"],
  queryFn: async ({ signal }) => (await request<AuditPage>("/audit", { query: { limit: 50 }, signal })).items,
  refetchInterval: 15_000,
});

/** The last ten minutes of every host and container. */
export const metricsQuery = queryOptions({
  queryKey: ["metrics"],
  queryFn: ({ signal }) => request<HostLiveView[]>("/metrics/live", { signal }),
});

/** The alerts that are not over, newest first. Their sentences are English, with translations (`api/alerts.ts`). */
export const openAlertsQuery = queryOptions({
  queryKey: ["alerts", "open"],
  queryFn: async ({ signal }) =>
    (await request<AlertPage>("/alerts", { query: { limit: PAGE_LIMIT, language: "en" }, signal })).items,
});

/** The newest alerts, those that are over too: asked for again when an alert changes. */
export const lateAlertsQuery = queryOptions({
  queryKey: ["alerts", "late"],
  queryFn: async ({ signal }) =>
    (await request<AlertPage>("/alerts", { query: { state: "all", limit: 10 }, signal })).items,
});
