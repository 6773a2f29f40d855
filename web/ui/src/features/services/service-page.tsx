import * as Tabs from "@radix-ui/react-tabs";
import { useQuery } from "@tanstack/react-query";
import { PencilLine } from "lucide-react";
import { Suspense, useEffect, useRef, useState } from "react";
import type { ServiceDetail } from "@/api/openapi";
import { canOn } from "@/api/permissions";
import { rolloutsQuery, servicesQuery } from "@/api/queries";
import { Loaded } from "@/components/loaded";
import { Page } from "@/components/page";
import { Loading } from "@/components/states";
import { Button } from "@/components/ui/button";
import { LinkButton } from "@/components/ui/link-button";
import { Card } from "@/components/ui/section";
import { lazily } from "@/lib/fetched";
import { useMessages } from "@/lib/i18n";
import { useSentences } from "@/lib/sentences";
import { messages } from "./messages";
import { pageMessages } from "./page-messages";
import { verbsOf } from "./service-actions";
import { useActions } from "./service-asking";
import { ServiceConfiguration } from "./service-configuration";
import { ServiceExperiment } from "./service-experiment";
import { ServiceHistory } from "./service-history";
import { ServiceOverview } from "./service-overview";
import { Routes, Serving } from "./service-parts";
import { ServicePlacement } from "./service-placement";
import { serviceQuery } from "./service-queries";
import { newestRollouts, standingOf } from "./service-standing";
import { StandingLines } from "./standing-lines";

const ScaleDialog = lazily(() => import("./scale-dialog"));

export const SERVICE_TABS = ["overview", "revisions", "placement", "configuration", "experiment"] as const;
export type ServiceTab = (typeof SERVICE_TABS)[number];

interface ServicePageProps {
  id: string;
  tab: ServiceTab;
  /** The two revisions that are compared; undefined for none. */
  compared: { before: number; after: number } | undefined;
  onTab: (tab: ServiceTab) => void;
  onCompare: (compared: { before: number; after: number } | undefined) => void;
  onRemoved: () => void;
}

/** How long changes are gathered before everything about a service is asked for again. */
const GATHERED_MS = 400;

/** One service: what runs of it, how its requests go, what it was and what it is made of. */
export function ServicePage({ id, tab, compared, onTab, onCompare, onRemoved }: ServicePageProps) {
  const t = useMessages(pageMessages);
  const base = useMessages(messages);
  const detail = useQuery(serviceQuery(id));
  const rollouts = useQuery(rolloutsQuery);
  const { actions, window } = useActions();
  const [isScaling, setScaling] = useState(false);
  useFreshDetail(id, detail.refetch);
  const service = detail.data;
  const newest =
    service && (newestRollouts(rollouts.data ?? []).get(service.id) ?? service.rollout ?? undefined);
  const verbs = service === undefined ? [] : verbsOf(service, actions.can);
  const can = canOn(service ?? {}, actions.can);
  return (
    <Page
      title={id}
      note={service !== undefined && <Serving service={service} />}
      actions={
        service !== undefined && (
          <>
            <span className="flex flex-wrap gap-x-4 text-sm">
              <Routes service={service} />
            </span>
            {verbs.map((verb) => (
              <Button
                key={verb}
                disabled={actions.isPending}
                onClick={() => actions.onVerb(service, null, verb)}
              >
                {base.verbs[verb]}
              </Button>
            ))}
            {service.status !== "removing" && can("service.scale") && (
              <Button onClick={() => setScaling(true)}>{base.verbs.scale}…</Button>
            )}
            {can("service.deploy") && (
              <LinkButton to="/deploy" search={{ from: service.project }}>
                <PencilLine aria-hidden className="size-3.5" />
                {t.change}
              </LinkButton>
            )}
          </>
        )
      }
    >
      <Loaded
        query={detail}
        loading={
          <Card>
            <Loading label={t.loadingService} rows={10} />
          </Card>
        }
      >
        {(known) => (
          <div className="flex flex-col gap-4">
            <Standing service={known} newest={newest} actions={actions} />
            <Tabs.Root value={tab} onValueChange={(value) => onTab(value as ServiceTab)}>
              <Tabs.List
                aria-label={t.sections}
                className="mb-4 flex gap-1 overflow-x-auto border-b border-line"
              >
                {SERVICE_TABS.map((each) => (
                  <Tabs.Trigger
                    key={each}
                    value={each}
                    className="h-9 shrink-0 cursor-pointer border-b-2 border-transparent px-3 text-sm font-medium text-muted hover:text-text data-[state=active]:border-accent data-[state=active]:text-text pointer-coarse:h-11"
                  >
                    {t[each]}
                  </Tabs.Trigger>
                ))}
              </Tabs.List>
              <Tabs.Content value="overview">
                <ServiceOverview service={known} can={can} onRemoved={onRemoved} />
              </Tabs.Content>
              <Tabs.Content value="revisions">
                <ServiceHistory service={known} actions={actions} compared={compared} onCompare={onCompare} />
              </Tabs.Content>
              <Tabs.Content value="placement">
                <ServicePlacement service={known} can={can} />
              </Tabs.Content>
              <Tabs.Content value="configuration">
                <ServiceConfiguration service={known} />
              </Tabs.Content>
              <Tabs.Content value="experiment">
                <ServiceExperiment service={known} can={can} />
              </Tabs.Content>
            </Tabs.Root>
          </div>
        )}
      </Loaded>
      {window}
      {isScaling && service !== undefined && (
        <Suspense fallback={null}>
          <ScaleDialog service={service} onClose={() => setScaling(false)} />
        </Suspense>
      )}
    </Page>
  );
}

function Standing({
  service,
  newest,
  actions,
}: {
  service: ServiceDetail;
  newest: Parameters<typeof standingOf>[1];
  actions: Parameters<typeof StandingLines>[0]["actions"];
}) {
  useSentences();
  const standing = standingOf(service, newest);
  if (standing.words === "") return null;
  return (
    <Card className="px-4 pt-1 pb-3">
      <StandingLines service={service} standing={standing} actions={actions} />
    </Card>
  );
}

/** The live connection tells the list of services and rollouts: when this one changed there, all of it is asked. */
function useFreshDetail(id: string, refetch: () => unknown): void {
  const services = useQuery(servicesQuery);
  const rollouts = useQuery(rolloutsQuery);
  const listed = services.data?.find((service) => service.id === id);
  const rollout = rollouts.data?.find(({ service_id }) => service_id === id);
  const isFirst = useRef(true);
  // biome-ignore lint/correctness/useExhaustiveDependencies: asked again when either has changed
  useEffect(() => {
    if (isFirst.current) {
      isFirst.current = listed === undefined;
      return;
    }
    const timer = setTimeout(() => void refetch(), GATHERED_MS);
    return () => clearTimeout(timer);
  }, [listed, rollout, refetch]);
}
