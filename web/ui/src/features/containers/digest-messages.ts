import { defineMessages } from "@/lib/i18n";

/** The containers in short, on the overview. */
export const messages = defineMessages({
  en: {
    title: "Containers",
    loading: "Loading containers",
    all: "All containers",
    running: (count: string) => `${count} running`,
    unhealthy: (count: string) => `${count} unhealthy`,
    stopped: (count: string) => `${count} not running`,
    logs: "Logs",
    logsOf: (name: string) => `Logs of ${name}`,
    cpuCourse: (now: string) => `CPU over the last ten minutes, now ${now}`,
    oldOf: (host: string) => `Containers of ${host} as last known:`,
    none: "No containers yet",
    noneNote: "Anything Docker runs on a host of this cluster appears here by itself.",
    note: "What is not well first, then what is busiest.",
  },
  it: {
    title: "Container",
    loading: "Caricamento dei container",
    all: "Tutti i container",
    running: (count) => `${count} in esecuzione`,
    unhealthy: (count) => `${count} non sani`,
    stopped: (count) => `${count} fermi`,
    logs: "Log",
    logsOf: (name) => `Log di ${name}`,
    cpuCourse: (now) => `CPU negli ultimi dieci minuti, ora ${now}`,
    oldOf: (host) => `Container di ${host}, ultimo stato noto:`,
    none: "Ancora nessun container",
    noneNote: "Tutto ciò che Docker esegue su un host del cluster appare qui da solo.",
    note: "Prima ciò che non va, poi ciò che è più impegnato.",
  },
});
