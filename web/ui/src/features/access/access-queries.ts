import { keepPreviousData, queryOptions, useMutation, useQueryClient } from "@tanstack/react-query";
import { request } from "@/api/client";
import type {
  ActionView,
  ApiTokenBody,
  ApiTokenMade,
  ApiTokenPage,
  BindingBody,
  BindingPage,
  BindingView,
  CustomRoleBody,
  ExplanationView,
  ReachView,
  RoleView,
  ScopeBody,
  UserBody,
  UserPage,
  UserView,
} from "@/api/openapi";
import { showDone } from "@/components/ui/toast-store";
import { textsOf } from "@/lib/i18n";
import { messages } from "./messages";

export const usersQuery = queryOptions({
  queryKey: ["access", "users"],
  queryFn: async ({ signal }) => (await request<UserPage>("/users", { signal })).items,
});

export const bindingsQuery = queryOptions({
  queryKey: ["access", "bindings"],
  queryFn: async ({ signal }) => (await request<BindingPage>("/bindings", { signal })).items,
});

export const rolesQuery = queryOptions({
  queryKey: ["access", "roles"],
  queryFn: ({ signal }) => request<RoleView[]>("/roles", { signal }),
});

export const actionsQuery = queryOptions({
  queryKey: ["access", "actions"],
  queryFn: ({ signal }) => request<ActionView[]>("/actions", { signal }),
  staleTime: Number.POSITIVE_INFINITY,
});

export const tokensQuery = queryOptions({
  queryKey: ["access", "tokens"],
  queryFn: async ({ signal }) => (await request<ApiTokenPage>("/tokens", { signal })).items,
});

export function reachQuery(principal: string) {
  return queryOptions({
    queryKey: ["access", "reach", principal],
    queryFn: ({ signal }) => request<ReachView>("/authz/reach", { query: { principal }, signal }),
  });
}

export function explainQuery(asked: { principal: string; action: string; resource: string }) {
  return queryOptions({
    queryKey: ["access", "explain", asked],
    queryFn: ({ signal }) => request<ExplanationView>("/authz/explain", { query: asked, signal }),
  });
}

export function previewQuery(role: string, scope: ScopeBody) {
  return queryOptions({
    queryKey: ["access", "preview", role, scope],
    queryFn: ({ signal }) =>
      request<ReachView>("/bindings/preview", { method: "POST", body: { role, scope }, signal }),
    placeholderData: keepPreviousData,
  });
}

/** A change of accounts and permissions; everything about them is read anew after it. */
function useChange<Given, Told>(
  change: (given: Given) => Promise<Told>,
  said: (given: Given) => string | null,
) {
  const client = useQueryClient();
  return useMutation({
    meta: { isShownInPlace: true },
    mutationFn: change,
    onSuccess: (_told, given) => {
      const text = said(given);
      if (text !== null) showDone(text);
    },
    onSettled: () => client.invalidateQueries({ queryKey: ["access"] }),
  });
}

const path = (collection: string, name: string) => `/${collection}/${encodeURIComponent(name)}`;

export const useAddUser = () =>
  useChange(
    (body: UserBody) => request<UserView>("/users", { method: "POST", body }),
    (body) => textsOf(messages).added(body.name),
  );

export const useSetRole = () =>
  useChange(
    ({ name, role }: { name: string; role: UserBody["role"] }) =>
      request<UserView>(`${path("users", name)}/role`, { method: "POST", body: { role } }),
    ({ name, role }) => textsOf(messages).roleChanged(name, role),
  );

export const useSetPassword = () =>
  useChange(
    ({ name, password }: { name: string; password: string }) =>
      request(`${path("users", name)}/password`, { method: "POST", body: { password } }),
    ({ name }) => textsOf(messages).passwordSet(name),
  );

export const useRemoveUser = () =>
  useChange(
    (name: string) => request(path("users", name), { method: "DELETE" }),
    (name) => textsOf(messages).removed(name),
  );

export const useMeasure = () =>
  useChange(
    ({ measure, name }: { measure: "sessions" | "factor" | "failures"; name: string }) => {
      if (measure === "sessions") return request("/sessions", { method: "DELETE", query: { user: name } });
      const what = measure === "factor" ? "second-factor" : "failures";
      return request(`${path("users", name)}/${what}`, { method: "DELETE" });
    },
    ({ measure, name }) => textsOf(messages).measures[measure].done(name),
  );

export const useBind = () =>
  useChange(
    (body: Partial<BindingBody> & { role: string }) =>
      request<BindingView>("/bindings", { method: "POST", body }),
    (body) => textsOf(messages).bound(body.user || body.token || ""),
  );

export const useUnbind = () =>
  useChange(
    (id: string) => request(path("bindings", id), { method: "DELETE" }),
    () => textsOf(messages).unbound,
  );

export const usePutRole = () =>
  useChange(
    ({ name, body }: { name: string; body: Partial<CustomRoleBody> }) =>
      request<RoleView>(path("roles", name), { method: "PUT", body }),
    ({ name }) => textsOf(messages).roleSaved(name),
  );

export const useRemoveRole = () =>
  useChange(
    (name: string) => request(path("roles", name), { method: "DELETE" }),
    (name) => textsOf(messages).roleRemoved(name),
  );

export const useMakeToken = () =>
  useChange(
    (body: Partial<ApiTokenBody> & { name: string }) =>
      request<ApiTokenMade>("/tokens", { method: "POST", body }),
    () => null,
  );

export const useRevokeToken = () =>
  useChange(
    (prefix: string) => request(path("tokens", prefix), { method: "DELETE" }),
    () => textsOf(messages).revoked,
  );
