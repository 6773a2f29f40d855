import { infiniteQueryOptions, queryOptions, useMutation } from "@tanstack/react-query";
import { request, send } from "@/api/client";
import type { AuditExportBody, AuditPage, AuditStanding } from "@/api/openapi";
import { showDone } from "@/components/ui/toast-store";
import { saveFile } from "@/lib/download";
import { textsOf } from "@/lib/i18n";
import { messages } from "./messages";

export const OUTCOMES = ["applied", "rejected", "denied", "failed"] as const;
export type Outcome = (typeof OUTCOMES)[number];

/** Which entries; what is empty fits all. Days are those of the browser, as `2026-03-01`. */
export interface AuditSearch {
  actor?: string | undefined;
  action?: string | undefined;
  resource?: string | undefined;
  outcome?: Outcome | undefined;
  since?: string | undefined;
  until?: string | undefined;
}

const PAGE = 100;
/** Computing the tree over a million entries takes a while. */
const VERIFY_MS = 120_000;
const EXPORT_MS = 60_000;

/** When a day begins here, or the one so many days later: not every day has 24 hours. */
function beginOf(day: string | undefined, later = 0): number | undefined {
  if (day === undefined || day === "") return undefined;
  const at = new Date(`${day}T00:00:00`);
  at.setDate(at.getDate() + later);
  return Number.isNaN(at.getTime()) ? undefined : at.getTime();
}

/** The search as the interface takes it. The last day is meant whole. */
export function filterOf(search: AuditSearch): Record<string, string | number> {
  const all = {
    actor: search.actor,
    action: search.action,
    resource: search.resource,
    outcome: search.outcome,
    since_ms: beginOf(search.since),
    until_ms: beginOf(search.until, 1),
  };
  const given = Object.entries(all).filter(([, value]) => value !== undefined && value !== "");
  return Object.fromEntries(given) as Record<string, string | number>;
}

export function auditQuery(search: AuditSearch) {
  const filter = filterOf(search);
  return infiniteQueryOptions({
    queryKey: ["audit", filter],
    queryFn: ({ pageParam, signal }) =>
      request<AuditPage>("/audit", { query: { ...filter, limit: PAGE, cursor: pageParam }, signal }),
    initialPageParam: null as string | null,
    getNextPageParam: (last) => last.next_cursor,
    refetchOnWindowFocus: false,
  });
}

/** Asked for by a person only: it reads every entry there is. */
export const verificationQuery = queryOptions({
  queryKey: ["audit-verification"],
  queryFn: ({ signal }) => request<AuditStanding>("/audit/verification", { signal, patienceMs: VERIFY_MS }),
  enabled: false,
  staleTime: Number.POSITIVE_INFINITY,
});

export function useDownload() {
  return useMutation({
    mutationFn: async ({ search, format }: { search: AuditSearch; format: AuditExportBody["format"] }) => {
      const response = await send("/audit/export", {
        method: "POST",
        body: { format, ...filterOf(search) },
        accept: "*/*",
        patienceMs: EXPORT_MS,
      });
      saveFile(await response.blob(), `audit.${format}`);
    },
    onSuccess: () => showDone(textsOf(messages).download, textsOf(messages).downloaded),
  });
}
