import { keepPreviousData, queryOptions } from "@tanstack/react-query";
import { request } from "@/api/client";
import type {
  DeploymentBody,
  DeploymentView,
  PromotionBody,
  ScheduleView,
  ServiceDetail,
  ValidationView,
} from "@/api/openapi";
import type { Schema } from "./compose-schema";

/** The published schema of Compose files. It changes with the server's version alone. */
export const schemaQuery = queryOptions({
  queryKey: ["compose-schema"],
  queryFn: ({ signal }) => request<Schema>("/schemas/compose.json", { signal }),
  staleTime: Number.POSITIVE_INFINITY,
});

/** What of a deployment is asked: what the body leaves out is as usual. */
export type Asked = Pick<DeploymentBody, "compose"> & Partial<DeploymentBody>;

/** What would go wrong with a deployment, and its plan. The answer before stays until the next is there. */
export function validationQuery(asked: Asked) {
  return queryOptions({
    queryKey: ["validation", asked],
    queryFn: ({ signal }) => request<ValidationView>("/validations", { method: "POST", body: asked, signal }),
    enabled: asked.compose.trim() !== "",
    placeholderData: keepPreviousData,
    // Hosts and registries change: what was found is looked for again when the page is opened again.
    staleTime: 10_000,
    gcTime: 60_000,
  });
}

export function deploy(asked: Asked): Promise<DeploymentView> {
  return request("/deployments", { method: "POST", body: asked });
}

/** At one moment, or again and again: then images are what their tags mean at each. */
export function scheduleDeployment(
  asked: Asked,
  when: { at_ms: number } | { cron: string; time_zone: string; pin_at_fire: true },
): Promise<ScheduleView> {
  return request("/schedules", { method: "POST", body: { deployment: asked, ...when } });
}

export function promote(
  asked: Pick<PromotionBody, "what" | "to"> & Partial<PromotionBody>,
): Promise<DeploymentView> {
  return request("/promotions", { method: "POST", body: asked });
}

export function fetchDetails(serviceIds: readonly string[]): Promise<ServiceDetail[]> {
  return Promise.all(serviceIds.map((id) => request<ServiceDetail>(`/services/${encodeURIComponent(id)}`)));
}
