import { queryOptions, useMutation, useQueryClient } from "@tanstack/react-query";
import { request } from "@/api/client";
import type { JoinTokenBody, JoinTokenMade, JoinTokenPage } from "@/api/openapi";
import { showDone } from "@/components/ui/toast-store";
import { textsOf } from "@/lib/i18n";
import { messages } from "./messages";

export const joinTokensQuery = queryOptions({
  queryKey: ["join-tokens"],
  queryFn: async ({ signal }) => (await request<JoinTokenPage>("/join-tokens", { signal })).items,
});

export function useMakeJoinToken() {
  const client = useQueryClient();
  return useMutation({
    meta: { isShownInPlace: true },
    mutationFn: (body: JoinTokenBody) => request<JoinTokenMade>("/join-tokens", { method: "POST", body }),
    onSettled: () => client.invalidateQueries({ queryKey: joinTokensQuery.queryKey }),
  });
}

export function useRevokeJoinToken() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: (id: string) => request(`/join-tokens/${encodeURIComponent(id)}`, { method: "DELETE" }),
    onSuccess: () => showDone(textsOf(messages).revoked),
    onSettled: () => client.invalidateQueries({ queryKey: joinTokensQuery.queryKey }),
  });
}
