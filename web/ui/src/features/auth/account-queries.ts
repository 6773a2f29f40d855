import { queryOptions } from "@tanstack/react-query";
import { request } from "@/api/client";
import type { AccountView, EndedView, EnrolmentView, RecoveryCodesView, SessionPage } from "@/api/openapi";

export const accountQuery = queryOptions({
  queryKey: ["account"],
  queryFn: ({ signal }) => request<AccountView>("/account", { signal }),
});

export const sessionsQuery = queryOptions({
  queryKey: ["account", "sessions"],
  queryFn: async ({ signal }) => (await request<SessionPage>("/sessions", { signal })).items,
  refetchInterval: 60_000,
});

export const beginEnrolment = (password: string) =>
  request<EnrolmentView>("/account/second-factor", { method: "POST", body: { password } });

export const confirmEnrolment = (ticket: string, code: string) =>
  request<RecoveryCodesView>("/account/second-factor", { method: "PUT", body: { ticket, code } });

export const removeFactor = (code: string) =>
  request("/account/second-factor/remove", { method: "POST", body: { code } });

export const renewCodes = (code: string) =>
  request<RecoveryCodesView>("/account/recovery-codes", { method: "POST", body: { code } });

export const changePassword = (current: string, password: string) =>
  request("/users/me/password", { method: "POST", body: { current_password: current, password } });

export const endSession = (id: string) =>
  request(`/sessions/${encodeURIComponent(id)}`, { method: "DELETE" });

export const endOtherSessions = () => request<EndedView>("/sessions", { method: "DELETE" });
