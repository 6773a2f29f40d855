import type { Subject } from "./subjects";

/** Which charts matter for what somebody looks at, and what each asks of the history. */

export type PanelKey =
  | "cpu"
  | "cpuParts"
  | "memory"
  | "load"
  | "pressure"
  | "network"
  | "received"
  | "sent"
  | "diskIo"
  | "read"
  | "written"
  | "diskSpace"
  | "containersCpu"
  | "containersMemory"
  | "replicasCpu"
  | "replicasMemory"
  | "temperature"
  | "throttled"
  | "tasks"
  | "requests"
  | "errors"
  | "latency";

export type AskQuery = Readonly<Record<string, string | number | boolean>>;

export interface Ask {
  query: AskQuery;
  /** Lines are drawn; of a total what the lines leave is drawn; a limit is the top of the scale. */
  part: "lines" | "total" | "limit";
  /** What its one line is called, instead of what is measured. */
  label?: string;
}

export interface Panel {
  key: PanelKey;
  asks: readonly Ask[];
  /** What the lines of one chart differ by. */
  labelBy: "metric" | "subject" | "node" | "service";
  isStacked?: boolean;
  /** The top of the scale, where that is known beforehand. */
  top?: number;
  /** What can be asked about it: how it will go on, and what else moved with it. */
  about?: { subject: string; metric: string };
  /** It is left out when nothing of it was ever measured. */
  isOptional?: boolean;
}

const TOP = 8;
const lines = (query: AskQuery): Ask => ({ query, part: "lines" });

export function panelsOf(subjects: readonly Subject[]): Panel[] {
  const [first, ...others] = subjects;
  if (first === undefined) return everything();
  if (others.length > 0) return compared(subjects);
  if (first.kind === "host") return hostPanels(first.name);
  if (first.kind === "service") return servicePanels(first.name);
  return containerPanels(first.node, first.name);
}

function everything(): Panel[] {
  const hosts = (key: PanelKey, metric: string, more: Partial<Panel> = {}): Panel => ({
    key,
    asks: [lines({ kind: "host", metric })],
    labelBy: "node",
    about: { subject: "hosts", metric },
    ...more,
  });
  const services = (key: PanelKey, metric: string, aggregation: string): Panel => ({
    key,
    asks: [lines({ kind: "route", metric, by: "service", aggregation, top: TOP })],
    labelBy: "service",
    about: { subject: "routes", metric },
    isOptional: true,
  });
  return [
    hosts("cpu", "cpu_percent", { top: 100 }),
    hosts("memory", "memory_bytes"),
    services("requests", "requests", "sum"),
    services("errors", "errors", "sum"),
    services("latency", "latency_p95_ms", "max"),
    hosts("load", "load_1"),
    stackOfContainers("containersCpu", "cpu_percent", {}),
    stackOfContainers("containersMemory", "memory_bytes", {}),
    hosts("received", "rx_bytes_per_s"),
    hosts("sent", "tx_bytes_per_s"),
    hosts("read", "read_bytes_per_s"),
    hosts("written", "write_bytes_per_s"),
    {
      key: "diskSpace",
      asks: [lines({ kind: "disk", metric: "disk_used_bytes", top: TOP })],
      labelBy: "subject",
      about: { subject: "disks", metric: "disk_used_bytes" },
    },
    {
      key: "temperature",
      asks: [lines({ kind: "sensor", metric: "temperature_celsius", top: TOP })],
      labelBy: "subject",
      isOptional: true,
    },
  ];
}

function hostPanels(host: string): Panel[] {
  const own = (key: PanelKey, metrics: string, more: Partial<Panel> = {}): Panel => ({
    key,
    asks: [lines({ kind: "host", node: host, metric: metrics })],
    labelBy: "metric",
    about: { subject: host, metric: metrics.split(",")[0] ?? metrics },
    ...more,
  });
  return [
    own("cpu", "cpu_percent", {
      top: 100,
      asks: [lines({ kind: "host", node: host, metric: "cpu_percent", band: true })],
    }),
    {
      ...own("memory", "memory_bytes"),
      asks: [
        lines({ kind: "host", node: host, metric: "memory_bytes", band: true }),
        { query: { kind: "host", node: host, metric: "memory_limit_bytes" }, part: "limit" },
      ],
    },
    own("cpuParts", "cpu_user_percent,cpu_system_percent,cpu_iowait_percent,cpu_steal_percent", {
      top: 100,
      isStacked: true,
    }),
    own("pressure", "pressure_cpu_percent,pressure_memory_percent,pressure_io_percent"),
    stackOfContainers("containersCpu", "cpu_percent", { node: host }),
    stackOfContainers("containersMemory", "memory_bytes", { node: host }),
    own("network", "rx_bytes_per_s,tx_bytes_per_s"),
    own("diskIo", "read_bytes_per_s,write_bytes_per_s"),
    own("load", "load_1,load_5"),
    {
      key: "diskSpace",
      asks: [lines({ kind: "disk", node: host, metric: "disk_used_bytes" })],
      labelBy: "subject",
      about: { subject: host, metric: "disk_used_bytes" },
    },
    {
      key: "temperature",
      asks: [lines({ kind: "sensor", node: host, metric: "temperature_celsius", top: TOP })],
      labelBy: "subject",
      isOptional: true,
    },
  ];
}

function servicePanels(service: string): Panel[] {
  const route = (key: PanelKey, metric: string, aggregation: string): Panel => ({
    key,
    asks: [lines({ kind: "route", subject: service, metric, by: "service", aggregation })],
    labelBy: "metric",
    about: { subject: service, metric: metric.split(",")[0] ?? metric },
    isOptional: true,
  });
  const replicas = (key: PanelKey, metric: string): Panel => ({
    key,
    asks: [lines({ kind: "container", subject: service, metric, top: TOP })],
    labelBy: "subject",
    isStacked: true,
    about: { subject: service, metric },
  });
  const summed = (key: PanelKey, metric: string): Panel => ({
    key,
    asks: [lines({ kind: "container", subject: service, metric, by: "service", aggregation: "sum" })],
    labelBy: "metric",
    about: { subject: service, metric: metric.split(",")[0] ?? metric },
  });
  return [
    route("requests", "requests", "sum"),
    route("errors", "errors,lost", "sum"),
    route("latency", "latency_p50_ms,latency_p95_ms,latency_p99_ms", "max"),
    replicas("replicasCpu", "cpu_percent"),
    replicas("replicasMemory", "memory_bytes"),
    {
      key: "throttled",
      asks: [lines({ kind: "container", subject: service, metric: "throttled_percent", top: TOP })],
      labelBy: "subject",
      about: { subject: service, metric: "throttled_percent" },
    },
    summed("network", "rx_bytes_per_s,tx_bytes_per_s"),
    summed("diskIo", "read_bytes_per_s,write_bytes_per_s"),
  ];
}

function containerPanels(node: string, name: string): Panel[] {
  const own = (key: PanelKey, metrics: string, more: Partial<Panel> = {}): Panel => ({
    key,
    asks: [lines({ kind: "container", node, subject: name, metric: metrics })],
    labelBy: "metric",
    about: { subject: name, metric: metrics.split(",")[0] ?? metrics },
    ...more,
  });
  const banded = (metric: string) => lines({ kind: "container", node, subject: name, metric, band: true });
  return [
    own("cpu", "cpu_percent", { asks: [banded("cpu_percent")] }),
    own("memory", "memory_bytes", {
      asks: [
        banded("memory_bytes"),
        { query: { kind: "container", node, subject: name, metric: "memory_limit_bytes" }, part: "limit" },
      ],
    }),
    own("network", "rx_bytes_per_s,tx_bytes_per_s"),
    own("diskIo", "read_bytes_per_s,write_bytes_per_s"),
    own("throttled", "throttled_percent"),
    own("pressure", "pressure_cpu_percent,pressure_memory_percent,pressure_io_percent", { isOptional: true }),
    own("tasks", "pids"),
  ];
}

/** Several things beside each other: what all of them have, a line for each. */
function compared(subjects: readonly Subject[]): Panel[] {
  const panel = (key: PanelKey, metric: string): Panel => ({
    key,
    asks: subjects.map((subject) => ({ query: askOf(subject, metric), part: "lines", label: subject.name })),
    labelBy: "subject",
    about: { subject: subjects[0]?.name ?? "", metric },
  });
  const services = subjects.some(({ kind }) => kind === "service")
    ? [panel("requests", "requests"), panel("errors", "errors"), panel("latency", "latency_p95_ms")]
    : [];
  return [
    panel("cpu", "cpu_percent"),
    panel("memory", "memory_bytes"),
    ...services.map((each) => ({
      ...each,
      asks: each.asks.filter((_, place) => subjects[place]?.kind === "service"),
    })),
    panel("received", "rx_bytes_per_s"),
    panel("sent", "tx_bytes_per_s"),
    panel("read", "read_bytes_per_s"),
    panel("written", "write_bytes_per_s"),
  ];
}

const ROUTE_METRICS: Readonly<Record<string, string>> = {
  requests: "sum",
  errors: "sum",
  latency_p95_ms: "max",
};

function askOf(subject: Subject, metric: string): AskQuery {
  if (subject.kind === "host") return { kind: "host", node: subject.name, metric };
  if (subject.kind === "container")
    return { kind: "container", node: subject.node, subject: subject.name, metric };
  const aggregation = ROUTE_METRICS[metric];
  return aggregation === undefined
    ? { kind: "container", subject: subject.name, metric, by: "service", aggregation: "sum" }
    : { kind: "route", subject: subject.name, metric, by: "service", aggregation };
}

/** The largest containers on top of each other, and what is left of all of them. */
function stackOfContainers(key: PanelKey, metric: string, where: { node?: string }): Panel {
  return {
    key,
    asks: [
      lines({ kind: "container", metric, top: TOP - 1, ...where }),
      { query: { kind: "container", metric, aggregation: "sum", ...where }, part: "total" },
    ],
    labelBy: "subject",
    isStacked: true,
    about: { subject: where.node ?? "containers", metric },
  };
}

/** Every metric a panel draws. */
export function metricsOf(panel: Panel): string[] {
  return [
    ...new Set(
      panel.asks
        .filter(({ part }) => part === "lines")
        .flatMap(({ query }) => String(query.metric ?? "").split(",")),
    ),
  ];
}
