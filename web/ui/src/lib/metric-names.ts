import { defineMessages, textsOf } from "./i18n";

/** What metrics are called. One that is new, and not here yet, is called by its own name. */
const names = defineMessages({
  en: {
    cpu_percent: "CPU",
    throttled_percent: "Throttled",
    memory_bytes: "Memory",
    memory_limit_bytes: "Memory limit",
    rx_bytes_per_s: "Received",
    tx_bytes_per_s: "Sent",
    read_bytes_per_s: "Read",
    write_bytes_per_s: "Written",
    pids: "Tasks",
    oom_kills: "Out-of-memory kills",
    restarts: "Restarts",
    state: "State",
    health: "Health",
    cpu_user_percent: "Programs",
    cpu_system_percent: "Kernel",
    cpu_iowait_percent: "Waiting for disks",
    cpu_steal_percent: "Taken by other machines",
    load_1: "Load, 1 min",
    load_5: "Load, 5 min",
    swap_bytes: "Swap",
    pressure_cpu_percent: "Waiting for a processor",
    pressure_memory_percent: "Waiting for memory",
    pressure_io_percent: "Waiting for a disk",
    disk_used_bytes: "Disk space",
    disk_size_bytes: "Disk size",
    inodes_used: "Files",
    inodes_max: "Most files",
    temperature_celsius: "Temperature",
    requests: "Requests",
    errors: "Errors",
    lost: "Unanswered",
    latency_p50_ms: "Latency, half",
    latency_p95_ms: "Latency, 95 %",
    latency_p99_ms: "Latency, 99 %",
    loop_lag_ms: "Agent's lag",
    apply_lag_entries: "Entries behind",
    queue_depth: "Waiting in the agent",
  },
  it: {
    cpu_percent: "CPU",
    throttled_percent: "Limitata",
    memory_bytes: "Memoria",
    memory_limit_bytes: "Limite di memoria",
    rx_bytes_per_s: "Ricevuti",
    tx_bytes_per_s: "Inviati",
    read_bytes_per_s: "Letti",
    write_bytes_per_s: "Scritti",
    pids: "Processi",
    oom_kills: "Terminati per memoria",
    restarts: "Riavvii",
    state: "Stato",
    health: "Salute",
    cpu_user_percent: "Programmi",
    cpu_system_percent: "Kernel",
    cpu_iowait_percent: "Attesa dei dischi",
    cpu_steal_percent: "Presa da altre macchine",
    load_1: "Carico, 1 min",
    load_5: "Carico, 5 min",
    swap_bytes: "Swap",
    pressure_cpu_percent: "Attesa della CPU",
    pressure_memory_percent: "Attesa della memoria",
    pressure_io_percent: "Attesa di un disco",
    disk_used_bytes: "Spazio su disco",
    disk_size_bytes: "Dimensione del disco",
    inodes_used: "File",
    inodes_max: "File al massimo",
    temperature_celsius: "Temperatura",
    requests: "Richieste",
    errors: "Errori",
    lost: "Senza risposta",
    latency_p50_ms: "Latenza, metà",
    latency_p95_ms: "Latenza, 95 %",
    latency_p99_ms: "Latenza, 99 %",
    loop_lag_ms: "Ritardo dell'agente",
    apply_lag_entries: "Voci in ritardo",
    queue_depth: "In attesa nell'agente",
  },
});

export function metricName(metric: string): string {
  const texts: Readonly<Record<string, string>> = textsOf(names);
  return texts[metric] ?? metric;
}

/** Those that have a name, in the order of the list. */
export const NAMED_METRICS: readonly string[] = Object.keys(names.en);

/** Events that are counted: over time their rate is shown. */
const COUNTED = new Set(["oom_kills", "restarts", "requests", "errors", "lost", "samples_late"]);

/** The unit of a metric's values over time. */
export function unitOverTime(metric: string, unit: string): string {
  return COUNTED.has(metric) && unit === "count" ? "count/s" : unit;
}
