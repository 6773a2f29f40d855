import type { EnvironmentBody, EnvironmentSettings } from "@/api/openapi";
import { bytesIn, bytesText, numberIn } from "@/lib/amounts";

/** An environment as it is typed: numbers are text, and empty where nothing is bounded. */
export interface EnvironmentDraft {
  name: string;
  hosts: string[];
  /** One in each line. */
  constraints: string;
  registry: string;
  replicasMin: string;
  replicasMax: string;
  quotaCpus: string;
  quotaMemory: string;
  quotaReplicas: string;
  requires: string;
  soakMinutes: string;
  isProtected: boolean;
  isAlerting: boolean;
  alertChannel: string;
  sampleS: string;
}

const SOAK_S = 1_800;
const CPU_MILLIS = 1_000;
const MINUTE_S = 60;

/** What a new environment is, by the server's own defaults. */
export const NEW_SETTINGS: EnvironmentSettings = {
  hosts: [],
  constraints: [],
  registry: "",
  replicas_min: 0,
  replicas_max: 0,
  quota_cpu_millis: null,
  quota_memory_bytes: null,
  quota_replicas: null,
  requires: "",
  soak_s: SOAK_S,
  protected: false,
  alerting: true,
  alert_channel: "",
  sample_interval_s: 0,
};

export function draftOf(name: string, settings: EnvironmentSettings): EnvironmentDraft {
  const unless0 = (value: number) => (value === 0 ? "" : String(value));
  return {
    name,
    hosts: [...settings.hosts],
    constraints: settings.constraints.join("\n"),
    registry: settings.registry,
    replicasMin: unless0(settings.replicas_min),
    replicasMax: unless0(settings.replicas_max),
    quotaCpus: settings.quota_cpu_millis === null ? "" : String(settings.quota_cpu_millis / CPU_MILLIS),
    quotaMemory: bytesText(settings.quota_memory_bytes),
    quotaReplicas: settings.quota_replicas?.toString() ?? "",
    requires: settings.requires,
    soakMinutes: String(settings.soak_s / MINUTE_S),
    isProtected: settings.protected,
    isAlerting: settings.alerting,
    alertChannel: settings.alert_channel,
    sampleS: unless0(settings.sample_interval_s),
  };
}

export type Amount =
  | "replicasMin"
  | "replicasMax"
  | "quotaCpus"
  | "quotaMemory"
  | "quotaReplicas"
  | "soakMinutes"
  | "sampleS";

/** Everything of it, as the interface takes it, and the fields that hold no amount. */
export function bodyOf(draft: EnvironmentDraft): { body: Required<EnvironmentBody>; faults: Set<Amount> } {
  const faults = new Set<Amount>();
  const read = (field: Amount, parse: (text: string) => number | null): number | null => {
    const text = draft[field].trim();
    if (text === "") return null;
    const value = parse(text);
    if (value === null) faults.add(field);
    return value;
  };
  const whole = (text: string) => {
    const value = numberIn(text);
    return value !== null && Number.isInteger(value) ? value : null;
  };
  const cpus = read("quotaCpus", numberIn);
  const soakMinutes = read("soakMinutes", numberIn);
  const body = {
    hosts: [...draft.hosts].sort(),
    constraints: draft.constraints
      .split("\n")
      .map((line) => line.trim())
      .filter((line) => line !== ""),
    registry: draft.registry.trim(),
    replicas_min: read("replicasMin", whole) ?? 0,
    replicas_max: read("replicasMax", whole) ?? 0,
    quota_cpu_millis: cpus === null ? null : Math.round(cpus * CPU_MILLIS),
    quota_memory_bytes: read("quotaMemory", bytesIn),
    quota_replicas: read("quotaReplicas", whole),
    requires: draft.requires,
    soak_s: Math.round((soakMinutes ?? 0) * MINUTE_S),
    protected: draft.isProtected,
    alerting: draft.isAlerting,
    alert_channel: draft.alertChannel.trim(),
    sample_interval_s: read("sampleS", whole) ?? 0,
  };
  return { body, faults };
}
