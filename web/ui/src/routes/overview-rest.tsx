import { Suspense } from "react";
import type { ContainerView } from "@/api/openapi";
import { ChangesSection } from "@/features/changes/changes-section";
import { ContainersSection } from "@/features/containers/containers-section";
import { Checklist } from "@/features/overview/checklist";
import { UptimeSection } from "@/features/overview/uptime-section";
import { ServicesSection } from "@/features/services/services-section";
import { lazily } from "@/lib/fetched";

const OverviewCharts = lazily(() => import("@/features/metrics/overview-charts"));

const CONTAINERS = "containers";

/** What is below the hosts, in one file: it is fetched while those are shown. */
export default function OverviewRest({ onLogs }: { onLogs: (container: ContainerView) => void }) {
  return (
    <>
      <Checklist />
      <Suspense fallback={<div className="h-56" />}>
        <OverviewCharts />
      </Suspense>
      <div className="grid gap-6 xl:grid-cols-[minmax(0,2fr)_minmax(0,1fr)]">
        <ServicesSection />
        <div className="flex flex-col gap-6">
          <UptimeSection />
          <ChangesSection />
        </div>
      </div>
      <ContainersSection id={CONTAINERS} onLogs={onLogs} />
    </>
  );
}
