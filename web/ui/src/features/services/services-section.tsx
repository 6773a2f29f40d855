import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { Boxes } from "lucide-react";
import type { RolloutView, ServiceView } from "@/api/openapi";
import { rolloutsQuery, servicesQuery } from "@/api/queries";
import { Loaded } from "@/components/loaded";
import { Empty, Loading } from "@/components/states";
import { Card, Section } from "@/components/ui/section";
import { formatCount } from "@/lib/format";
import { useMessages } from "@/lib/i18n";
import { useSentences } from "@/lib/sentences";
import { messages } from "./messages";
import { type Actions, useActions } from "./service-asking";
import { ServiceMenu } from "./service-buttons";
import { Hosts, Routes, Serving, Versions, versionsOf } from "./service-parts";
import { newestRollouts, standingOf } from "./service-standing";
import { StandingLines } from "./standing-lines";

/** What Control Tower runs, and how far each rollout is. */
export function ServicesSection() {
  const services = useQuery(servicesQuery);
  const rollouts = useQuery(rolloutsQuery);
  const t = useMessages(messages);
  const newest = newestRollouts(rollouts.data ?? []);
  return (
    <Section title={t.services} note={services.data?.length ? formatCount(services.data.length) : undefined}>
      <Card className="flex-1 overflow-hidden">
        <Loaded query={services} loading={<Loading label={t.loading} rows={4} />}>
          {(known) => (known.length === 0 ? <NoServices /> : <Services services={known} newest={newest} />)}
        </Loaded>
      </Card>
    </Section>
  );
}

export function NoServices() {
  const t = useMessages(messages);
  return (
    <Empty icon={<Boxes className="size-5" />} title={t.none}>
      {t.noneWords} <code className="font-mono">tower deploy compose.yaml</code>. {t.noneRest}
    </Empty>
  );
}

function Services({
  services,
  newest,
}: {
  services: readonly ServiceView[];
  newest: ReadonlyMap<string, RolloutView>;
}) {
  const { actions, window } = useActions();
  return (
    <>
      <ul className="divide-y divide-line">
        {services.map((service) => (
          <ServiceRow key={service.id} service={service} rollout={newest.get(service.id)} actions={actions} />
        ))}
      </ul>
      {window}
    </>
  );
}

function ServiceRow({
  service,
  rollout,
  actions,
}: {
  service: ServiceView;
  rollout: RolloutView | undefined;
  actions: Actions;
}) {
  useSentences();
  const standing = standingOf(service, rollout);
  return (
    <li className="px-4 py-3">
      <div className="flex items-baseline gap-x-4">
        <h3 className="min-w-0 truncate text-base" title={service.id}>
          <Link to="/services/$service" params={{ service: service.id }} className="hover:underline">
            <span>
              <span className="text-muted">{service.project}/</span>
              <span className="font-semibold">{service.name}</span>
            </span>
          </Link>
        </h3>
        <span className="flex min-w-0 flex-1 flex-wrap gap-x-4 text-sm max-sm:hidden">
          <Routes service={service} />
        </span>
        <span className="tabular shrink-0 text-sm max-sm:ml-auto">
          <Serving service={service} />
        </span>
        <span className="-my-2 -mr-2 shrink-0 self-center empty:hidden">
          <ServiceMenu
            service={service}
            can={actions.can}
            onVerb={(verb) => actions.onVerb(service, null, verb)}
          />
        </span>
      </div>
      <p className="mt-0.5 text-sm text-muted">
        <Versions versions={versionsOf(service, standing.rollout)} />
        <Hosts service={service} />
      </p>
      <p className="mt-0.5 flex flex-wrap gap-x-4 text-sm empty:hidden sm:hidden">
        <Routes service={service} />
      </p>
      <StandingLines service={service} standing={standing} actions={actions} />
    </li>
  );
}
