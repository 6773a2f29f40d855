import { queryOptions } from "@tanstack/react-query";
import { request } from "@/api/client";
import type { ProviderBody, ProviderCheckView, ProviderPage, ProviderView } from "@/api/openapi";

export const adminProvidersQuery = queryOptions({
  queryKey: ["providers"],
  queryFn: async ({ signal }) => (await request<ProviderPage>("/providers", { signal })).items,
});

const pathOf = (id: string) => `/providers/${encodeURIComponent(id)}`;

export const saveProvider = (id: string, body: ProviderBody) =>
  request<ProviderView>(pathOf(id), { method: "PUT", body });

export const removeProvider = (id: string) => request(pathOf(id), { method: "DELETE" });

export const checkProvider = (id: string) => request<ProviderCheckView>(`${pathOf(id)}/published`);
