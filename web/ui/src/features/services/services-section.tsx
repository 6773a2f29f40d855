import { useQuery } from "@tanstack/react-query";
import { Boxes, ExternalLink } from "lucide-react";
import { servicesQuery } from "@/api/queries";
import type { ServiceView } from "@/api/types";
import { Loaded } from "@/components/loaded";
import { Meter } from "@/components/meter";
import { Empty, Loading } from "@/components/states";
import { Status } from "@/components/ui/badge";
import { Card, Section } from "@/components/ui/section";
import { formatCount, parseImage } from "@/lib/format";
import { progressOf, standingOf } from "./service-standing";

/** What Control Tower runs, and how far each rollout is. */
export function ServicesSection() {
  const query = useQuery(servicesQuery);
  return (
    <Section title="Services" note={query.data === undefined ? undefined : formatCount(query.data.length)}>
      <Card className="overflow-hidden">
        <Loaded query={query} loading={<Loading label="Loading services" rows={4} />}>
          {(services) =>
            services.length === 0 ? (
              <Empty icon={<Boxes className="size-5" />} title="No services yet">
                Deploy a compose file: <code className="font-mono">tower deploy compose.yaml</code>.
                Containers that already run are below and can be controlled as they are.
              </Empty>
            ) : (
              <ul className="divide-y divide-line">
                {services.map((service) => (
                  <ServiceRow key={service.id} service={service} />
                ))}
              </ul>
            )
          }
        </Loaded>
      </Card>
    </Section>
  );
}

function ServiceRow({ service }: { service: ServiceView }) {
  const image = parseImage(service.image);
  const standing = standingOf(service);
  const progress = progressOf(service);
  return (
    <li className="px-4 py-2.5">
      <div className="grid grid-cols-[minmax(0,1fr)_auto] items-baseline gap-x-4 gap-y-0.5 sm:grid-cols-[minmax(0,1.2fr)_minmax(0,1fr)_auto]">
        <h3 className="min-w-0 truncate text-base" title={service.id}>
          <span className="text-muted">{service.project}/</span>
          <span className="font-semibold">{service.name}</span>
        </h3>
        <span className="order-3 min-w-0 truncate text-sm text-muted sm:order-none" title={image.full}>
          <span className="text-text">{image.short}</span>
          {image.tag !== "" && `:${image.tag}`}
          <span className="tabular"> · revision {formatCount(service.revision)}</span>
        </span>
        <span className="justify-self-end text-sm" title={service.rollout?.reason || undefined}>
          <Status tone={standing.tone}>
            <span className="tabular">
              {formatCount(service.serving)} of {formatCount(service.replicas)} serving
            </span>
          </Status>
        </span>
      </div>
      <div className="mt-1 flex min-h-5 flex-wrap items-center gap-x-4 gap-y-1 text-sm text-muted">
        <span className="min-w-0">{standing.words}</span>
        {service.route !== null && <RouteLink service={service} />}
      </div>
      {progress !== null && (
        <Meter className="mt-2" share={progress} tone={standing.tone} label={`Rollout of ${service.name}`} />
      )}
    </li>
  );
}

function RouteLink({ service }: { service: ServiceView }) {
  const { route } = service;
  if (route === null) return null;
  if (route.url === null) return <span className="ml-auto truncate font-mono text-xs">{route.host}</span>;
  return (
    <a
      href={route.url}
      target="_blank"
      rel="noreferrer"
      className="ml-auto inline-flex min-w-0 items-center gap-1 font-medium text-accent hover:underline"
    >
      <span className="truncate">{route.host}</span>
      <ExternalLink aria-label="opens in a new tab" className="size-3 shrink-0" />
    </a>
  );
}
