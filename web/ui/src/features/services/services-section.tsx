import { useQuery } from "@tanstack/react-query";
import { Boxes, ExternalLink } from "lucide-react";
import { lazy, Suspense, useState } from "react";
import type { RolloutView, ServiceView } from "@/api/openapi";
import { useCan } from "@/api/permissions";
import { rolloutsQuery, servicesQuery } from "@/api/queries";
import { Loaded } from "@/components/loaded";
import { Empty, Loading } from "@/components/states";
import { Status, StatusMark, type Tone } from "@/components/ui/badge";
import { Card, Section } from "@/components/ui/section";
import { useNow } from "@/lib/clock";
import { formatCount, formatDuration, formatMoment, parseImage, plural } from "@/lib/format";
import { RolloutBar } from "./rollout-bar";
import { needsConfirmation, type ServiceRequest, useServiceAction, type Verb } from "./service-actions";
import { RolloutButtons, ServiceMenu } from "./service-buttons";
import { newestRollouts, type Standing, standingOf } from "./service-standing";
import { TrafficBar } from "./traffic-bar";

const ConfirmServiceAction = lazy(() => import("./confirm-service-action"));

/** What Control Tower runs, and how far each rollout is. */
export function ServicesSection() {
  const services = useQuery(servicesQuery);
  const rollouts = useQuery(rolloutsQuery);
  const newest = newestRollouts(rollouts.data ?? []);
  return (
    <Section title="Services" note={services.data?.length ? formatCount(services.data.length) : undefined}>
      <Card className="flex-1 overflow-hidden">
        <Loaded query={services} loading={<Loading label="Loading services" rows={4} />}>
          {(known) =>
            known.length === 0 ? (
              <Empty icon={<Boxes className="size-5" />} title="No services yet">
                Deploy a compose file: <code className="font-mono">tower deploy compose.yaml</code>.
                Containers that already run are listed below and can be controlled as they are.
              </Empty>
            ) : (
              <Services services={known} newest={newest} />
            )
          }
        </Loaded>
      </Card>
    </Section>
  );
}

interface Actions {
  can: (action: string) => boolean;
  isPending: boolean;
  onVerb: (service: ServiceView, rollout: RolloutView | null, verb: Verb) => void;
}

function Services({
  services,
  newest,
}: {
  services: readonly ServiceView[];
  newest: ReadonlyMap<string, RolloutView>;
}) {
  const can = useCan();
  const action = useServiceAction();
  const [asked, setAsked] = useState<ServiceRequest | null>(null);
  const actions: Actions = {
    can,
    isPending: action.isPending,
    onVerb: (service, rollout, verb) => {
      const request = { service, rollout, verb };
      if (needsConfirmation(verb)) setAsked(request);
      else action.mutate(request);
    },
  };
  return (
    <>
      <ul className="divide-y divide-line">
        {services.map((service) => (
          <ServiceRow key={service.id} service={service} rollout={newest.get(service.id)} actions={actions} />
        ))}
      </ul>
      {asked !== null && (
        <Suspense fallback={null}>
          <ConfirmServiceAction
            request={asked}
            isPending={action.isPending}
            onConfirm={() => action.mutate(asked, { onSettled: () => setAsked(null) })}
            onCancel={() => setAsked(null)}
          />
        </Suspense>
      )}
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
  const standing = standingOf(service, rollout);
  return (
    <li className="px-4 py-3">
      <div className="flex items-baseline gap-x-4">
        <h3 className="min-w-0 truncate text-base" title={service.id}>
          <span className="text-muted">{service.project}/</span>
          <span className="font-semibold">{service.name}</span>
        </h3>
        <span className="flex min-w-0 flex-1 flex-wrap gap-x-4 text-sm max-sm:hidden">
          <Routes service={service} />
        </span>
        <span className="tabular shrink-0 text-sm max-sm:ml-auto">
          <Status tone={servingTone(service)}>
            {formatCount(service.replicas_ready)} of {formatCount(service.replicas_wanted)} serving
          </Status>
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
        {service.nodes.length > 0 && <span> · on {nodesOf(service)}</span>}
      </p>
      <p className="mt-0.5 flex flex-wrap gap-x-4 text-sm empty:hidden sm:hidden">
        <Routes service={service} />
      </p>
      <StandingLines service={service} standing={standing} actions={actions} />
    </li>
  );
}

function StandingLines({
  service,
  standing,
  actions,
}: {
  service: ServiceView;
  standing: Standing;
  actions: Actions;
}) {
  const { tone, words, details, rollout } = standing;
  if (words === "") return null;
  return (
    <div className="mt-2 flex flex-col gap-1.5">
      <p className="flex items-baseline gap-2 text-sm">
        <StatusMark tone={tone} />
        <span className="tabular min-w-0 flex-1 break-words">{words}</span>
        {rollout !== null && <Elapsed sinceMs={rollout.started_at_ms} />}
      </p>
      {rollout !== null && <RolloutBar rollout={rollout} tone={tone} label={`Rollout of ${service.name}`} />}
      {rollout?.split && rollout.stage !== null && (
        <TrafficBar split={rollout.split} label={`Requests of ${service.name}`} />
      )}
      {details.length > 0 && (
        <ul className="flex flex-col gap-0.5 text-sm text-muted">
          {details.map((detail) => (
            <li key={detail} className="break-words">
              {detail}
            </li>
          ))}
        </ul>
      )}
      {rollout !== null && (
        <RolloutButtons
          service={service}
          rollout={rollout}
          can={actions.can}
          isPending={actions.isPending}
          onVerb={(verb) => actions.onVerb(service, rollout, verb)}
        />
      )}
    </div>
  );
}

function Elapsed({ sinceMs }: { sinceMs: number }) {
  const now = useNow();
  return (
    <span className="tabular shrink-0 text-xs text-muted" title={`since ${formatMoment(sinceMs)}`}>
      {formatDuration(now - sinceMs)}
    </span>
  );
}

function servingTone({ status, replicas_ready: ready, replicas_wanted: wanted }: ServiceView): Tone {
  if (wanted === 0 || status === "removing") return "neutral";
  if (ready >= wanted) return "ok";
  if (ready > 0) return "warn";
  return status === "rolling-out" ? "accent" : "bad";
}

interface Version {
  revision: number;
  image: string;
}

/** What serves; while a rollout is under way also what is to. After a roll-back that is not what was asked for last. */
function versionsOf({ serving, revision, image }: ServiceView, rollout: RolloutView | null): Version[] {
  const wanted = { revision, image };
  if (serving.length === 0) return [wanted];
  const isComing =
    rollout !== null &&
    rollout.phase !== "rolling-back" &&
    serving.every((each) => each.revision !== revision);
  return isComing ? [...serving, wanted] : [...serving];
}

function Versions({ versions }: { versions: readonly Version[] }) {
  return versions.map(({ revision, image: reference }, index) => {
    const image = parseImage(reference);
    return (
      <span key={revision}>
        {index > 0 && " → "}
        <span className="break-words text-text" title={image.full}>
          {image.short}
          {image.tag !== "" && `:${image.tag}`}
        </span>
        <span className="tabular"> · revision {formatCount(revision)}</span>
      </span>
    );
  });
}

const NODES_SHOWN_MAX = 6;

function nodesOf({ nodes }: ServiceView): string {
  return nodes.length > NODES_SHOWN_MAX ? plural(nodes.length, "host") : nodes.join(", ");
}

function Routes({ service }: { service: ServiceView }) {
  return service.routes.map((host) => <RouteLink key={host} host={host} />);
}

/** Any host of the cluster answers for a route; what `*.` stands for is not known here. */
function RouteLink({ host }: { host: string }) {
  if (host.startsWith("*.")) return <span className="truncate">{host}</span>;
  return (
    <a
      href={`http://${host}/`}
      target="_blank"
      rel="noreferrer"
      className="inline-flex min-w-0 items-center gap-1 font-medium text-accent hover:underline"
    >
      <span className="truncate">{host}</span>
      <ExternalLink role="img" aria-label="(opens in a new tab)" className="size-3 shrink-0" />
    </a>
  );
}
