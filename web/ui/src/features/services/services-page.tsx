import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { Rocket, SearchX } from "lucide-react";
import { Suspense, useMemo, useState } from "react";
import type { RolloutView, ServiceDriftView, ServiceView } from "@/api/openapi";
import { canOn, useCan } from "@/api/permissions";
import { containersQuery, rolloutsQuery, servicesQuery } from "@/api/queries";
import { Loaded } from "@/components/loaded";
import { Page } from "@/components/page";
import { Pick } from "@/components/pick";
import { RowMenu } from "@/components/row-menu";
import { Sentence } from "@/components/sentence";
import { Empty, Loading } from "@/components/states";
import { StatusMark } from "@/components/ui/badge";
import { Button } from "@/components/ui/button";
import { Input } from "@/components/ui/field";
import { LinkButton } from "@/components/ui/link-button";
import { Card } from "@/components/ui/section";
import { lazily } from "@/lib/fetched";
import { shortId } from "@/lib/format";
import { useMessages } from "@/lib/i18n";
import { useSentences } from "@/lib/sentences";
import { Pieces } from "./host-pieces";
import { messages } from "./messages";
import { pageMessages } from "./page-messages";
import { byService, type HostPieces, piecesOf } from "./pieces";
import { VERBS, type Verb, verbsOf } from "./service-actions";
import { type Actions, useActions } from "./service-asking";
import { filtered, SERVICE_STATES, type ServicesView } from "./service-filter";
import { Routes, Serving, Versions, versionsOf } from "./service-parts";
import { driftQuery } from "./service-queries";
import { newestRollouts, standingOf } from "./service-standing";
import { NoServices } from "./services-section";
import { StandingLines } from "./standing-lines";

const ScaleDialog = lazily(() => import("./scale-dialog"));

interface ServicesPageProps {
  view: ServicesView;
  onView: (next: Partial<ServicesView>) => void;
}

/** Every service: what of it runs where, which version, and how it stands. */
export function ServicesPage({ view, onView }: ServicesPageProps) {
  const t = useMessages(pageMessages);
  const base = useMessages(messages);
  const can = useCan();
  const services = useQuery(servicesQuery);
  const rollouts = useQuery(rolloutsQuery);
  const newest = useMemo(() => newestRollouts(rollouts.data ?? []), [rollouts.data]);
  const shown = filtered(services.data ?? [], newest, view);
  const count = services.data?.length ?? 0;
  return (
    <Page
      title={base.services}
      note={count > 0 ? t.shownOf(shown.length, count) : undefined}
      actions={
        can("service.deploy") && (
          <LinkButton tone="primary" to="/deploy">
            <Rocket aria-hidden className="size-3.5" />
            {t.deploy}
          </LinkButton>
        )
      }
    >
      <div className="flex flex-col gap-3">
        {count > 0 && <Filters services={services.data ?? []} view={view} onView={onView} />}
        <Card className="overflow-hidden">
          <Loaded query={services} loading={<Loading label={base.loading} rows={8} />}>
            {() =>
              count === 0 ? (
                <NoServices />
              ) : shown.length === 0 ? (
                <Empty icon={<SearchX className="size-5" />} title={t.nothingFound}>
                  <p>{t.nothingFoundWords}</p>
                  <Button
                    className="mt-2"
                    onClick={() => onView({ text: "", project: "", state: "", host: "" })}
                  >
                    {t.clearSearch}
                  </Button>
                </Empty>
              ) : (
                <Rows services={shown} newest={newest} />
              )
            }
          </Loaded>
        </Card>
      </div>
    </Page>
  );
}

function Filters({
  services,
  view,
  onView,
}: {
  services: readonly ServiceView[];
  view: ServicesView;
  onView: (next: Partial<ServicesView>) => void;
}) {
  const t = useMessages(pageMessages);
  const projects = [...new Set(services.map(({ project }) => project))].sort();
  const hosts = [...new Set(services.flatMap(({ nodes }) => nodes))].sort();
  return (
    <search className="flex flex-wrap gap-2">
      <Input
        type="search"
        aria-label={t.search}
        placeholder={t.searchHint}
        value={view.text}
        onInput={(event) => onView({ text: event.currentTarget.value })}
        className="min-w-0 flex-1 basis-52"
      />
      <Pick
        label={t.project}
        all={t.allProjects}
        value={view.project}
        choices={projects}
        onPick={(project) => onView({ project })}
      />
      <Pick
        label={t.state}
        all={t.anyState}
        value={view.state}
        choices={SERVICE_STATES}
        words={t.states}
        onPick={(state) => onView({ state: SERVICE_STATES.find((each) => each === state) ?? "" })}
      />
      <Pick
        label={t.host}
        all={t.anyHost}
        value={view.host}
        choices={hosts}
        onPick={(host) => onView({ host })}
      />
    </search>
  );
}

function Rows({
  services,
  newest,
}: {
  services: readonly ServiceView[];
  newest: ReadonlyMap<string, RolloutView>;
}) {
  const { actions, window } = useActions();
  const [scaled, setScaled] = useState<ServiceView | null>(null);
  const containers = useQuery(containersQuery);
  const drift = useQuery(driftQuery);
  const parts = useMemo(() => byService(containers.data?.containers ?? []), [containers.data]);
  return (
    <>
      <ul className="divide-y divide-line">
        {services.map((service) => (
          <Row
            key={service.id}
            service={service}
            rollout={newest.get(service.id)}
            pieces={piecesOf(service, parts.get(service.id) ?? [])}
            drift={(drift.data ?? []).filter(({ service_id: id }) => id === service.id)}
            actions={actions}
            onScale={() => setScaled(service)}
          />
        ))}
      </ul>
      {window}
      {scaled !== null && (
        <Suspense fallback={null}>
          <ScaleDialog service={scaled} onClose={() => setScaled(null)} />
        </Suspense>
      )}
    </>
  );
}

interface RowProps {
  service: ServiceView;
  rollout: RolloutView | undefined;
  pieces: readonly HostPieces[];
  drift: readonly ServiceDriftView[];
  actions: Actions;
  onScale: () => void;
}

function Row({ service, rollout, pieces, drift, actions, onScale }: RowProps) {
  const t = useMessages(pageMessages);
  useSentences();
  const standing = standingOf(service, rollout);
  return (
    <li className="relative px-4 py-3">
      <div className="flex flex-wrap items-start gap-x-6 gap-y-2 pr-8">
        <div className="flex min-w-0 flex-1 basis-56 flex-col gap-0.5">
          <h2 className="min-w-0 truncate text-base" title={service.id}>
            <Link
              to="/services/$service"
              params={{ service: service.id }}
              className="inline-flex min-h-6 items-center hover:underline"
            >
              <span>
                <span className="text-muted">{service.project}/</span>
                <span className="font-semibold">{service.name}</span>
              </span>
            </Link>
          </h2>
          <p className="flex flex-wrap gap-x-4 text-sm">
            {service.routes.length === 0 ? (
              <span className="text-muted">{t.noRoute}</span>
            ) : (
              <Routes service={service} />
            )}
          </p>
        </div>
        <div className="flex min-w-0 flex-1 basis-64 flex-col gap-0.5 text-sm text-muted">
          <p>
            <Versions versions={versionsOf(service, standing.rollout)} />
          </p>
          <p className="tabular flex flex-wrap gap-x-3 text-xs">
            {service.digest !== "" && (
              <span title={service.digest} className="font-mono">
                {shortId(service.digest.replace("sha256:", ""))}
              </span>
            )}
            <span>{t.strategies[service.strategy]}</span>
          </p>
        </div>
        <div className="flex min-w-0 flex-1 basis-64 flex-col gap-0.5">
          <p className="tabular text-sm">
            <Serving service={service} />
          </p>
          <Pieces hosts={pieces} />
        </div>
        <span className="absolute top-2 right-2 w-8 pointer-coarse:w-10">
          <ServiceRowMenu service={service} actions={actions} onScale={onScale} />
        </span>
      </div>
      {drift.length > 0 && (
        <ul aria-label={t.driftHere(drift.length)} className="mt-2 flex flex-col gap-0.5 text-sm">
          {drift.map((each) => (
            <li key={`${each.kind} ${each.container_name}`} className="flex items-baseline gap-2 text-warn">
              <StatusMark tone="warn" />
              <span className="min-w-0 break-words">
                <Sentence text={each.words} />
              </span>
            </li>
          ))}
        </ul>
      )}
      <StandingLines service={service} standing={standing} actions={actions} />
    </li>
  );
}

function ServiceRowMenu({ service, actions, onScale }: Pick<RowProps, "service" | "actions" | "onScale">) {
  const t = useMessages(messages);
  const mayScale = service.status !== "removing" && canOn(service, actions.can)("service.scale");
  const item = (verb: Verb) => ({
    key: verb,
    label: t.verbs[verb],
    isDangerous: VERBS[verb].isDangerous,
    onSelect: () => actions.onVerb(service, null, verb),
  });
  const scale = { key: "scale", label: `${t.verbs.scale}…`, onSelect: onScale };
  return (
    <RowMenu name={service.id} groups={[mayScale ? [scale] : [], verbsOf(service, actions.can).map(item)]} />
  );
}
