import { useNavigate, useSearch } from "@tanstack/react-router";
import { Suspense, useCallback } from "react";
import type { ContainerView } from "@/api/openapi";
import { Page } from "@/components/page";
import { HostsSection } from "@/features/hosts/hosts-section";
import { AttentionSection } from "@/features/overview/attention-section";
import { ClusterLine } from "@/features/overview/cluster-line";
import { lazily } from "@/lib/fetched";
import { defineMessages, useMessages } from "@/lib/i18n";
import type { OverviewSearch } from "./overview-search";

const LogsSheet = lazily(() => import("@/features/logs/logs-sheet"));
const OverviewRest = lazily(() => import("./overview-rest"));
const HostSheet = lazily(() => import("@/features/hosts/host-sheet"));

const messages = defineMessages({ en: { title: "Overview" }, it: { title: "Panoramica" } });

/** Everything at a glance. What is below the hosts is fetched while those are shown. What is searched, sorted and open is in the page's address. */
export function OverviewPage() {
  const t = useMessages(messages);
  const search: OverviewSearch = useSearch({ strict: false });
  const navigate = useNavigate();
  const change = useCallback(
    (next: Partial<OverviewSearch>, replace = false) =>
      void navigate({
        to: "/",
        search: (before: OverviewSearch) => ({ ...before, ...next }),
        replace,
        resetScroll: false,
      }),
    [navigate],
  );
  const onLogs = useCallback((each: ContainerView) => change({ logs: each.id }), [change]);
  return (
    <Page title={t.title}>
      <div className="flex flex-col gap-6">
        <AttentionSection />
        <ClusterLine />
        <HostsSection onOpen={(host) => change({ details: host })} />
        <Suspense fallback={<div className="h-dvh" />}>
          <OverviewRest onLogs={onLogs} />
        </Suspense>
      </div>
      <Suspense fallback={null}>
        {search.logs !== undefined && (
          <LogsSheet containerId={search.logs} onClose={() => change({ logs: undefined })} />
        )}
        {search.details !== undefined && (
          <HostSheet
            nodeId={search.details}
            onClose={() => change({ details: undefined })}
            onContainers={(host) => void navigate({ to: "/containers", search: { host } })}
          />
        )}
      </Suspense>
    </Page>
  );
}
