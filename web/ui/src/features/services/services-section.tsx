import { useQuery } from "@tanstack/react-query";
import { Boxes, ExternalLink } from "lucide-react";
import type { RolloutView, ServiceView } from "@/api/openapi";
import { rolloutsQuery, servicesQuery } from "@/api/queries";
import { Loaded } from "@/components/loaded";
import { Meter } from "@/components/meter";
import { Empty, Loading } from "@/components/states";
import { Status } from "@/components/ui/badge";
import { Card, Section } from "@/components/ui/section";
import { formatCount, parseImage } from "@/lib/format";
import { newestRollouts, standingOf } from "./service-standing";

/** What Control Tower runs, and how far each rollout is. */
export function ServicesSection() {
  const services = useQuery(servicesQuery);
  const rollouts = useQuery(rolloutsQuery);
  const newest = newestRollouts(rollouts.data ?? []);
  return (
    <Section
      title="Services"
      note={services.data === undefined ? undefined : formatCount(services.data.length)}
    >
      <Card className="overflow-hidden">
        <Loaded query={services} loading={<Loading label="Loading services" rows={4} />}>
          {(known) =>
            known.length === 0 ? (
              <Empty icon={<Boxes className="size-5" />} title="No services yet">
                Deploy a compose file: <code className="font-mono">tower deploy compose.yaml</code>.
                Containers that already run are listed below and can be controlled as they are.
              </Empty>
            ) : (
              <ul className="divide-y divide-line">
                {known.map((service) => (
                  <ServiceRow key={service.id} service={service} rollout={newest.get(service.id)} />
                ))}
              </ul>
            )
          }
        </Loaded>
      </Card>
    </Section>
  );
}

function ServiceRow({ service, rollout }: { service: ServiceView; rollout: RolloutView | undefined }) {
  const image = parseImage(service.image);
  const { tone, words, progress } = standingOf(service, rollout);
  return (
    <li className="px-4 py-2.5">
      <div className="grid grid-cols-[minmax(0,1fr)_auto] items-baseline gap-x-4 gap-y-0.5 lg:grid-cols-[minmax(0,1fr)_minmax(0,1.2fr)_minmax(0,1fr)_auto]">
        <h3 className="min-w-0 truncate text-base" title={service.id}>
          <span className="text-muted">{service.project}/</span>
          <span className="font-semibold">{service.name}</span>
        </h3>
        <span className="min-w-0 truncate text-sm text-muted max-lg:order-3" title={image.full}>
          <span className="text-text">{image.short}</span>
          {image.tag !== "" && `:${image.tag}`}
          <span className="tabular"> · revision {formatCount(service.revision)}</span>
        </span>
        <span className="flex min-w-0 flex-wrap gap-x-4 text-sm max-lg:order-4 max-lg:justify-self-end">
          {service.routes.map((host) => (
            <RouteLink key={host} host={host} />
          ))}
        </span>
        <span className="min-w-[15ch] justify-self-end text-sm max-lg:text-right">
          <Status tone={tone}>
            <span className="tabular">
              {formatCount(service.replicas_ready)} of {formatCount(service.replicas_wanted)} serving
            </span>
          </Status>
        </span>
      </div>
      {words !== "" && <p className="mt-1 text-sm text-muted">{words}</p>}
      {progress !== null && (
        <Meter className="mt-2 mb-1" share={progress} tone={tone} label={`Rollout of ${service.name}`} />
      )}
    </li>
  );
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
