import { queryOptions } from "@tanstack/react-query";
import { request } from "@/api/client";
import type { FreezePage, SchedulePage, WindowPage } from "@/api/openapi";

const LIMIT = 200;
/** No live topic tells of plans: they are asked while somebody looks. */
const EVERY_MS = 15_000;

export const schedulesQuery = queryOptions({
  queryKey: ["planning", "schedules"],
  queryFn: async ({ signal }) =>
    (await request<SchedulePage>("/schedules", { query: { limit: LIMIT }, signal })).items,
  refetchInterval: EVERY_MS,
});

export const windowsQuery = queryOptions({
  queryKey: ["planning", "windows"],
  queryFn: async ({ signal }) =>
    (await request<WindowPage>("/windows", { query: { limit: LIMIT }, signal })).items,
});

export const freezesQuery = queryOptions({
  queryKey: ["planning", "freezes"],
  queryFn: async ({ signal }) =>
    (await request<FreezePage>("/freezes", { query: { limit: LIMIT }, signal })).items,
  refetchInterval: EVERY_MS,
});
