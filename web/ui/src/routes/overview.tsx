import { useNavigate, useSearch } from "@tanstack/react-router";
import { lazy, Suspense, useCallback, useEffect, useRef, useState } from "react";
import type { ContainerView } from "@/api/openapi";
import { Page } from "@/components/page";
import { ChangesSection } from "@/features/changes/changes-section";
import { type ContainersView, EVERYTHING } from "@/features/containers/container-rows";
import { ContainersSection } from "@/features/containers/containers-section";
import { HostsSection } from "@/features/hosts/hosts-section";
import { AttentionSection } from "@/features/overview/attention-section";
import { ClusterLine } from "@/features/overview/cluster-line";
import { ServicesSection } from "@/features/services/services-section";
import { defineMessages, useMessages } from "@/lib/i18n";
import { type OverviewSearch, searchOf, viewOf } from "./overview-search";
import { ViewInAddress } from "./view-in-address";

const LogsSheet = lazy(() => import("@/features/logs/logs-sheet"));
const Checklist = lazy(() => import("@/features/overview/checklist"));
const UptimeSection = lazy(() => import("@/features/overview/uptime-section"));
const HostSheet = lazy(() => import("@/features/hosts/host-sheet"));

const CONTAINERS = "containers";

const messages = defineMessages({ en: { title: "Overview" }, it: { title: "Panoramica" } });

/** Everything at a glance. What is searched, sorted and open is in the page's address. */
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
  const [view, onView] = useViewInAddress(search, change);
  const onLogs = useCallback(
    (each: ContainerView) => change({ logs: each.id, node: each.node_id }),
    [change],
  );
  return (
    <Page title={t.title}>
      <div className="flex flex-col gap-6">
        <AttentionSection />
        <Suspense fallback={null}>
          <Checklist />
        </Suspense>
        <ClusterLine />
        <HostsSection onOpen={(host) => change({ details: host })} />
        <div className="grid gap-6 xl:grid-cols-[minmax(0,2fr)_minmax(0,1fr)]">
          <ServicesSection />
          <div className="flex flex-col gap-6">
            <Suspense fallback={<div className="h-64" />}>
              <UptimeSection />
            </Suspense>
            <ChangesSection />
          </div>
        </div>
        <ContainersSection id={CONTAINERS} view={view} onView={onView} onLogs={onLogs} />
      </div>
      <Suspense fallback={null}>
        {search.logs !== undefined && (
          <LogsSheet
            containerId={search.logs}
            nodeId={search.node ?? ""}
            onClose={() => change({ logs: undefined, node: undefined })}
          />
        )}
        {search.details !== undefined && (
          <HostSheet
            nodeId={search.details}
            onClose={() => change({ details: undefined })}
            onContainers={(host) => {
              change({ ...searchOf({ ...EVERYTHING, host }), details: undefined });
              document.getElementById(CONTAINERS)?.scrollIntoView();
            }}
          />
        )}
      </Suspense>
    </Page>
  );
}

/** The view of the containers, shown at once and written to the address. */
function useViewInAddress(
  search: OverviewSearch,
  write: (next: OverviewSearch, replace: boolean) => void,
): [ContainersView, (next: Partial<ContainersView>) => void] {
  const kept = useRef<ViewInAddress>(undefined);
  kept.current ??= new ViewInAddress(viewOf(search));
  const [view, setView] = useState(kept.current.view);
  useEffect(() => {
    if (kept.current?.see(viewOf(search))) setView(kept.current.view);
  }, [search]);
  const change = useCallback(
    (next: Partial<ContainersView>) => {
      if (kept.current === undefined) return;
      const changed = kept.current.change(next);
      setView(changed);
      write(searchOf(changed), true);
    },
    [write],
  );
  return [view, change];
}
