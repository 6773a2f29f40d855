import { queryOptions } from "@tanstack/react-query";
import { request } from "./client";
import type { PlanPage, PlanView } from "./openapi";

/** What programs asked for and people approve. */

const LIMIT = 200;
/** That a plan has expired is told by nobody: it is asked. */
const EXPIRY_MS = 60_000;

/** Every query of plans begins so: all are asked again when one changes. */
export const PLANS_KEY = ["plans"] as const;

export const openPlansQuery = queryOptions({
  queryKey: [...PLANS_KEY, "open"],
  queryFn: async ({ signal }) =>
    (await request<PlanPage>("/plans", { query: { state: "open", limit: LIMIT }, signal })).items,
  refetchInterval: EXPIRY_MS,
});

/** Newest first, those that are decided too. */
export const allPlansQuery = queryOptions({
  queryKey: [...PLANS_KEY, "all"],
  queryFn: async ({ signal }) =>
    (await request<PlanPage>("/plans", { query: { state: "all", limit: LIMIT }, signal })).items,
  refetchInterval: EXPIRY_MS,
});

export const planQuery = (id: string) =>
  queryOptions({
    queryKey: [...PLANS_KEY, "one", id],
    queryFn: ({ signal }) => request<PlanView>(`/plans/${encodeURIComponent(id)}`, { signal }),
    refetchInterval: EXPIRY_MS,
  });

export type Verdict = "approve" | "refuse" | "withdraw";

export function decide(id: string, verdict: Verdict, comment: string): Promise<PlanView> {
  return request(`/plans/${encodeURIComponent(id)}/${verdict}`, { method: "POST", body: { comment } });
}
