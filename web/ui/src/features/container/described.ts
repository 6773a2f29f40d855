/** What the page shows of the engine's own description, with what an engine may leave out. */

export interface Described {
  imageId: string;
  command: string;
  startedAtMs: number | null;
  finishedAtMs: number | null;
  exitCode: number;
  error: string;
  isOutOfMemory: boolean;
  restarts: number;
  restartPolicy: string;
  user: string;
  workingDir: string;
  hostname: string;
  logDriver: string;
  isPrivileged: boolean;
  isReadOnly: boolean;
  networks: { name: string; address: string; gateway: string; mac: string }[];
  mounts: { kind: string; source: string; target: string; isReadOnly: boolean }[];
  environment: { name: string; value: string }[];
  probes: { atMs: number | null; exitCode: number; output: string }[];
}

type Loose = Record<string, unknown>;

const object = (value: unknown): Loose =>
  typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Loose) : {};
const list = (value: unknown): unknown[] => (Array.isArray(value) ? value : []);
const text = (value: unknown): string => (typeof value === "string" ? value : "");
const number = (value: unknown): number => (typeof value === "number" ? value : 0);

/** Go's zero time means never. */
export function momentIn(value: unknown): number | null {
  const at = Date.parse(text(value));
  return Number.isNaN(at) || at <= 0 ? null : at;
}

export function describedIn(document: Readonly<Loose>): Described {
  const config = object(document.Config);
  const host = object(document.HostConfig);
  const state = object(document.State);
  const policy = object(host.RestartPolicy);
  const networks = object(object(document.NetworkSettings).Networks);
  return {
    imageId: text(document.Image),
    command: [text(document.Path), ...list(document.Args).map(text)].join(" ").trim(),
    startedAtMs: momentIn(state.StartedAt),
    finishedAtMs: momentIn(state.FinishedAt),
    exitCode: number(state.ExitCode),
    error: text(state.Error),
    isOutOfMemory: state.OOMKilled === true,
    restarts: number(document.RestartCount),
    restartPolicy: [text(policy.Name) || "no", number(policy.MaximumRetryCount) || ""]
      .filter(Boolean)
      .join(":"),
    user: text(config.User),
    workingDir: text(config.WorkingDir),
    hostname: text(config.Hostname),
    logDriver: text(object(host.LogConfig).Type),
    isPrivileged: host.Privileged === true,
    isReadOnly: host.ReadonlyRootfs === true,
    networks: Object.entries(networks).map(([name, endpoint]) => ({
      name,
      address: text(object(endpoint).IPAddress),
      gateway: text(object(endpoint).Gateway),
      mac: text(object(endpoint).MacAddress),
    })),
    mounts: list(document.Mounts).map((mount) => {
      const each = object(mount);
      return {
        kind: text(each.Type),
        source: text(each.Type) === "volume" ? text(each.Name) : text(each.Source),
        target: text(each.Destination),
        isReadOnly: each.RW === false,
      };
    }),
    environment: list(config.Env)
      .map(text)
      .map((entry) => {
        const at = entry.indexOf("=");
        return at < 0 ? { name: entry, value: "" } : { name: entry.slice(0, at), value: entry.slice(at + 1) };
      })
      .sort((one, other) => one.name.localeCompare(other.name)),
    probes: list(object(state.Health).Log)
      .map((probe) => ({
        atMs: momentIn(object(probe).Start),
        exitCode: number(object(probe).ExitCode),
        output: text(object(probe).Output).trim(),
      }))
      .reverse(),
  };
}
