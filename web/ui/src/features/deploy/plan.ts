import type {
  DeployedService,
  DeploymentView,
  FieldChange,
  FindingView,
  ForecastView,
  PlannedHost,
  Strategy,
  ValidationView,
} from "@/api/openapi";

export type Kind = "new" | "changed" | "retried" | "unchanged";

/** What a deployment would do to one service. */
export interface PlannedService {
  id: string;
  kind: Kind;
  revision: number;
  strategy: Strategy;
  changes: readonly FieldChange[];
  forecast: ForecastView | null;
  hosts: readonly PlannedHost[];
  /** Replicas that would be made anew. */
  starts: number;
  findings: readonly FindingView[];
  supersedes: string | null;
}

/** How far it reaches: what is touched, and what for sure is lost. */
export interface Reach {
  services: number;
  replicas: number;
  hosts: readonly string[];
  drops: readonly string[];
  /** Without pulling images and waiting for people; services go one beside the other. */
  estimateS: number;
}

export interface Plan {
  services: readonly PlannedService[];
  /** What is about no service: the file, the cluster. */
  findings: readonly FindingView[];
  errors: number;
  warnings: number;
  reach: Reach;
}

const ORDER: readonly Kind[] = ["changed", "new", "retried", "unchanged"];

type Told = Pick<ValidationView, "services" | "plan" | "hosts" | "findings">;

/** Put together, per service, what the server says of a deployment; what changes comes first. */
export function planOf(told: Told | DeploymentView): Plan {
  const services = told.services.map((service) => planned(service, told));
  services.sort((a, b) => ORDER.indexOf(a.kind) - ORDER.indexOf(b.kind) || (a.id < b.id ? -1 : 1));
  const named = new Set(services.map(({ id }) => id));
  const count = (level: FindingView["level"]) =>
    told.findings.filter((finding) => finding.level === level).length;
  return {
    services,
    findings: told.findings.filter((finding) => serviceOf(finding, named) === null),
    errors: count("error"),
    warnings: count("warning"),
    reach: reachOf(services),
  };
}

function planned(service: DeployedService, told: Told): PlannedService {
  const { service_id: id } = service;
  const hosts = told.hosts.filter((host) => host.service_id === id);
  const named = new Set([id]);
  return {
    id,
    kind: kindOf(service),
    revision: service.revision,
    strategy: service.strategy,
    changes: service.changes,
    forecast: told.plan.find((forecast) => forecast.service_id === id) ?? null,
    hosts,
    starts: hosts.filter((host) => host.is_new).length,
    findings: told.findings.filter((finding) => serviceOf(finding, named) === id),
    supersedes: service.supersedes,
  };
}

function kindOf({ changed, is_retry, revision }: DeployedService): Kind {
  if (is_retry) return "retried";
  if (!changed) return "unchanged";
  return revision <= 1 ? "new" : "changed";
}

/** The service a finding is about, among those that are named: by its own word, or by its place in the file. */
function serviceOf({ service, field }: FindingView, named: ReadonlySet<string>): string | null {
  if (service !== "") return named.has(service) ? service : null;
  const key = /^services\.([^.[]+)/.exec(field)?.[1];
  if (key === undefined) return null;
  return [...named].find((id) => id.slice(id.indexOf(".") + 1) === key) ?? null;
}

function reachOf(services: readonly PlannedService[]): Reach {
  const touched = services.filter(({ kind }) => kind !== "unchanged");
  const hosts = touched.flatMap((service) =>
    service.hosts.flatMap(({ node_name: name }) => (name == null || name === "" ? [] : [name])),
  );
  return {
    services: touched.length,
    replicas: touched.reduce((sum, { hosts }) => sum + hosts.length, 0),
    hosts: [...new Set(hosts)].sort(),
    drops: touched.flatMap(({ id, forecast }) => (forecast?.drops ?? []).map((drop) => `${id}: ${drop}`)),
    estimateS: Math.max(0, ...touched.map(({ forecast }) => forecast?.estimate_s ?? 0)),
  };
}
