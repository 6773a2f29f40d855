import type { FileReference, ServiceDetail, SpecView } from "@/api/openapi";

type Value =
  | string
  | number
  | boolean
  | readonly Value[]
  | { readonly [key: string]: Value | undefined }
  | undefined;

/**
 * A Compose file of what services of one project run now. What is as usual is left out. A value that the reader may
 * not see becomes a variable, and so does none that could be a secret: environment values come as the server shows
 * them. Differences that remain are seen in the plan, which is made of the file by the server.
 */
export function fileOfRunning(project: string, services: readonly ServiceDetail[]): string {
  const specs = services.flatMap((service) => {
    const spec = specOf(service);
    return spec === undefined ? [] : [{ service, spec }];
  });
  const volumes = names(specs, ({ spec }) =>
    spec.volumes.flatMap(({ kind, source }) => (kind === "volume" && source !== "" ? [source] : [])),
  );
  return yamlOf({
    name: project,
    services: Object.fromEntries(specs.map(({ service, spec }) => [service.name, serviceOf(service, spec)])),
    volumes: volumes.length === 0 ? undefined : Object.fromEntries(volumes.map((name) => [name, {}])),
    secrets: external(names(specs, ({ spec }) => spec.secrets.map(({ source }) => source))),
    configs: external(names(specs, ({ spec }) => spec.configs.map(({ source }) => source))),
  });
}

/** What serves, or what was asked for last where nothing does. */
function specOf(service: ServiceDetail): SpecView | undefined {
  const wanted = service.stable_revision || service.revision;
  return (service.revisions.find(({ number }) => number === wanted) ?? service.revisions[0])?.spec;
}

function names<Item>(items: readonly Item[], read: (item: Item) => readonly string[]): string[] {
  return [...new Set(items.flatMap(read))].sort();
}

function external(found: readonly string[]): Value {
  return found.length === 0 ? undefined : Object.fromEntries(found.map((name) => [name, { external: true }]));
}

function serviceOf(service: ServiceDetail, spec: SpecView): Value {
  const { options } = spec;
  const { policy, scaling, fencing } = service;
  const isSingle = fencing !== "none";
  return {
    image: spec.image.replace(/@sha256:[0-9a-f]+$/, ""),
    entrypoint: options.entrypoint ?? undefined,
    command: spec.command ?? undefined,
    user: some(options.user),
    working_dir: some(options.working_dir),
    hostname: some(options.hostname),
    init: options.init ?? undefined,
    read_only: options.is_read_only || undefined,
    privileged: options.is_privileged || undefined,
    cap_add: list(options.cap_add),
    cap_drop: list(options.cap_drop),
    environment: mapping(spec.environment, (name, value) =>
      value === null ? `\${${name}}` : literal(value),
    ),
    labels: mapping(spec.labels, (_, value) => literal(value)),
    ports: list(
      spec.ports.map(({ container_port: target, host_ip, host_port, protocol }) => ({
        target,
        published: host_port || undefined,
        protocol: protocol === "tcp" ? undefined : protocol,
        host_ip: some(host_ip),
      })),
    ),
    volumes: list(
      spec.volumes.map(({ kind, source, target, is_read_only }) => ({
        type: kind,
        source: some(source),
        target,
        read_only: is_read_only || undefined,
      })),
    ),
    secrets: list(spec.secrets.map((each) => reference(each, "/run/secrets/"))),
    configs: list(spec.configs.map((each) => reference(each, "/"))),
    healthcheck: healthOf(spec),
    stop_grace_period: spec.stop_grace_period_ms === 10_000 ? undefined : duration(spec.stop_grace_period_ms),
    stop_signal: some(options.stop_signal),
    deploy: {
      replicas: scaling === null && service.replicas_wanted !== 1 ? service.replicas_wanted : undefined,
      resources: resourcesOf(spec),
      placement: list(service.placement.constraints) && {
        constraints: service.placement.constraints.map(({ attribute: { fact, label }, is_equal, value }) => {
          const name = label === undefined || label === "" ? fact : `${fact}.${label}`;
          return `${name}${is_equal === false ? "!=" : "=="}${value}`;
        }),
      },
    },
    "x-tower": {
      singleton: isSingle || undefined,
      strategy: policy.shift.strategy === "rolling" ? undefined : policy.shift.strategy,
      canary:
        policy.shift.strategy === "canary"
          ? { steps: policy.shift.canary.steps?.flatMap(stepOf) }
          : undefined,
      blue_green:
        policy.shift.strategy === "blue-green"
          ? {
              auto_promote: policy.shift.blue_green.is_promoted_by_itself === false ? false : undefined,
              keep_blue: duration(policy.shift.blue_green.keep_ms ?? 600_000),
            }
          : undefined,
      analysis: policy.shift.analysis.is_on === false ? false : undefined,
      scaling:
        scaling === null
          ? undefined
          : {
              min: scaling.min,
              max: scaling.max,
              ...Object.fromEntries(scaling.metrics.map(({ metric, target }) => targetOf(metric, target))),
            },
      route:
        spec.route === null
          ? undefined
          : {
              host: spec.route.host,
              port: spec.route.port,
              path: spec.route.path === "/" ? undefined : spec.route.path,
              health: spec.route.health_path,
              sticky: spec.route.sticky === "none" ? undefined : spec.route.sticky,
              tls: spec.route.tls === "off" ? undefined : spec.route.tls,
            },
    },
  };
}

/** The last step, to all requests, follows by itself. */
function stepOf(step: { permille: number; hold_ms?: number; needs_approval?: boolean }): Value[] {
  if (step.permille >= 1_000) return [];
  return [
    {
      weight: `${step.permille / 10}%`,
      for: step.hold_ms ? duration(step.hold_ms) : undefined,
      pause: step.needs_approval ? "approve" : undefined,
    },
  ];
}

function targetOf(metric: string, target: number): [string, Value] {
  if (metric === "latency_p95") return [metric, duration(target)];
  return [metric, metric === "requests_per_second" ? target : `${target}%`];
}

function healthOf({ healthcheck }: SpecView): Value {
  if (healthcheck === null) return undefined;
  if (healthcheck.test[0] === "NONE") return { disable: true };
  return {
    test: healthcheck.test.map(literal),
    interval: duration(healthcheck.interval_ms),
    timeout: duration(healthcheck.timeout_ms),
    retries: healthcheck.retries,
    start_period: healthcheck.start_period_ms === 0 ? undefined : duration(healthcheck.start_period_ms),
  };
}

function resourcesOf({ resources }: SpecView): Value {
  const cpus = (millis: number | null | undefined) => (millis == null ? undefined : String(millis / 1_000));
  const memory = (bytes: number | null | undefined) => (bytes == null ? undefined : size(bytes));
  return {
    limits: {
      cpus: cpus(resources.cpu_limit_millis),
      memory: memory(resources.memory_limit_bytes),
      pids: resources.pids_limit ?? undefined,
    },
    reservations: {
      cpus: cpus(resources.cpu_reservation_millis),
      memory: memory(resources.memory_reservation_bytes),
    },
  };
}

function reference({ source, target }: FileReference, place: string): Value {
  return target === "" || target === `${place}${source}` ? source : { source, target };
}

function some(text: string | undefined): string | undefined {
  return text === undefined || text === "" ? undefined : text;
}

function list(items: readonly Value[] | undefined): Value {
  return items === undefined || items.length === 0 ? undefined : items;
}

function mapping<Told>(
  values: Readonly<Record<string, Told>>,
  read: (name: string, value: Told) => Value,
): Value {
  const entries = Object.entries(values);
  return entries.length === 0
    ? undefined
    : Object.fromEntries(entries.map(([name, value]) => [name, read(name, value)]));
}

/** A value of a container is none of the file: its dollar signs are no variables. */
function literal(text: string): string {
  return text.replaceAll("$", "$$$$");
}

export function duration(ms: number): string {
  const units = [
    ["h", 3_600_000],
    ["m", 60_000],
    ["s", 1_000],
    ["ms", 1],
  ] as const;
  let rest = Math.max(0, Math.round(ms));
  const parts = units.flatMap(([unit, length]) => {
    const count = Math.floor(rest / length);
    rest %= length;
    return count === 0 ? [] : [`${count}${unit}`];
  });
  return parts.length === 0 ? "0s" : parts.join("");
}

function size(bytes: number): string {
  const units = [
    ["G", 1024 ** 3],
    ["M", 1024 ** 2],
    ["K", 1024],
  ] as const;
  const [unit, length] = units.find(([, each]) => bytes >= each && bytes % each === 0) ?? ["b", 1];
  return `${bytes / length}${unit}`;
}

function isEmpty(value: Value): boolean {
  if (value === undefined) return true;
  if (typeof value !== "object" || Array.isArray(value)) return false;
  return Object.keys(value).length > 0 && Object.values(value).every(isEmpty);
}

/** YAML of plain values: mappings in block style, text in quotes where it could be read as something else. */
export function yamlOf(value: Value): string {
  return `${linesOf(value).join("\n")}\n`;
}

function linesOf(value: Value): string[] {
  if (Array.isArray(value)) {
    return value.flatMap((item: Value) => {
      const [first = "", ...rest] = linesOf(item);
      return [`- ${first}`, ...rest.map((line) => `  ${line}`)];
    });
  }
  if (typeof value !== "object") return [scalar(value)];
  const entries = Object.entries(value).filter(([, each]) => !isEmpty(each));
  return entries.flatMap(([key, each]) => {
    if (typeof each !== "object") return [`${scalar(key)}: ${scalar(each)}`];
    const below = linesOf(each);
    return below.length === 0
      ? [`${scalar(key)}:`]
      : [`${scalar(key)}:`, ...below.map((line) => `  ${line}`)];
  });
}

const PLAIN = /^[A-Za-z_/.][\w ./:@=${}!<>+-]*$/;
const WORD = /^(true|false|yes|no|on|off|null|~|\.inf|\.nan|y|n)$/i;

function scalar(value: string | number | boolean | undefined): string {
  if (typeof value !== "string") return String(value);
  const isPlain = PLAIN.test(value) && !WORD.test(value) && !/: |:$| #| $|^[.][0-9]/.test(value);
  return isPlain ? value : JSON.stringify(value);
}
