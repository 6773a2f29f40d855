import { queryOptions, useMutation, useQueryClient } from "@tanstack/react-query";
import { request } from "@/api/client";
import type {
  DeliveryPage,
  ExportBody,
  ExportPage,
  ExportView,
  RegistryBody,
  RegistryPage,
  ReplayView,
  WebhookBody,
  WebhookPage,
  WebhookPutView,
} from "@/api/openapi";
import { showDone } from "@/components/ui/toast-store";
import { textsOf } from "@/lib/i18n";
import { messages } from "./messages";

export const webhooksQuery = queryOptions({
  queryKey: ["webhooks"],
  queryFn: async ({ signal }) =>
    (await request<WebhookPage>("/webhooks", { query: { limit: 1_000 }, signal })).items,
  refetchInterval: 10_000,
});

export const exportsQuery = queryOptions({
  queryKey: ["exports"],
  queryFn: async ({ signal }) =>
    (await request<ExportPage>("/exports", { query: { limit: 1_000 }, signal })).items,
  refetchInterval: 10_000,
});

export const registriesQuery = queryOptions({
  queryKey: ["registries"],
  queryFn: async ({ signal }) =>
    (await request<RegistryPage>("/registries", { query: { limit: 1_000 }, signal })).items,
});

export const deliveriesQuery = (webhook: string) =>
  queryOptions({
    queryKey: ["webhooks", webhook, "deliveries"],
    queryFn: async ({ signal }) =>
      (
        await request<DeliveryPage>(`${pathOf("webhooks", webhook)}/deliveries`, {
          query: { limit: 50 },
          signal,
        })
      ).items,
    refetchInterval: 5_000,
  });

export type Kind = "webhooks" | "exports" | "registries";

function pathOf(kind: Kind, name: string): string {
  return `/${kind}/${encodeURIComponent(name)}`;
}

type Put =
  | { kind: "webhooks"; name: string; body: Partial<WebhookBody> & Pick<WebhookBody, "url" | "events"> }
  | { kind: "exports"; name: string; body: Partial<ExportBody> & Pick<ExportBody, "url" | "kind"> }
  | { kind: "registries"; name: string; body: Partial<RegistryBody> };

/** Make one, or set everything of one. The answer of a webhook may hold a secret that is shown once. */
export function usePut() {
  const client = useQueryClient();
  return useMutation({
    meta: { isShownInPlace: true },
    mutationFn: ({ kind, name, body }: Put) =>
      request<WebhookPutView | ExportView>(pathOf(kind, name), { method: "PUT", body }),
    onSuccess: (_, { name }) => showDone(textsOf(messages).saved(name)),
    onSettled: (_, __, { kind }) => client.invalidateQueries({ queryKey: [kind] }),
  });
}

export function useRemove() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: ({ kind, name }: { kind: Kind; name: string }) =>
      request(pathOf(kind, name), { method: "DELETE" }),
    onSuccess: (_, { name }) => showDone(textsOf(messages).removed(name)),
    onSettled: (_, __, { kind }) => client.invalidateQueries({ queryKey: [kind] }),
  });
}

export function usePing() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: (name: string) => request(`${pathOf("webhooks", name)}/ping`, { method: "POST", body: {} }),
    onSuccess: (_, name) => showDone(textsOf(messages).pinged(name)),
    onSettled: () => client.invalidateQueries({ queryKey: webhooksQuery.queryKey }),
  });
}

export function useReplay() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: (name: string) =>
      request<ReplayView>(`${pathOf("webhooks", name)}/replay`, { method: "POST", body: {} }),
    onSuccess: ({ replayed }) => showDone(textsOf(messages).replayed(replayed)),
    onSettled: () => client.invalidateQueries({ queryKey: webhooksQuery.queryKey }),
  });
}

export function useRotate() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: (name: string) =>
      request<WebhookPutView>(`${pathOf("webhooks", name)}/rotate`, { method: "POST", body: {} }),
    onSettled: () => client.invalidateQueries({ queryKey: webhooksQuery.queryKey }),
  });
}

/** "alert:*, node:down" as a list. */
export function patternsOf(text: string): string[] {
  return text
    .split(/[\s,]+/)
    .map((pattern) => pattern.trim())
    .filter(Boolean);
}
