import { formatCount, formatShare } from "@/lib/format";
import { defineMessages } from "@/lib/i18n";

/** Cut off, not rounded: 99.99 % is never said to be all of the time. */
function share(part: number): string {
  return formatShare(Math.floor(part * 10_000) / 10);
}

export const uptimes = defineMessages({
  en: {
    title: "Health by project",
    note: "the last 24 hours",
    loading: "Loading the health of projects",
    none: "Nothing has been measured yet",
    noneNote: "A minute after the first container starts, its project appears here.",
    onHost: (host: string) => `on ${host}, of no project`,
    healthy: (healthy: number, total: number) => `${formatCount(healthy)} of ${formatCount(total)} healthy`,
    gone: "nothing runs",
    knownNote: "Share of the time in which something of it ran and was not unhealthy",
    share,
    unknown: "not known",
    courseOf: (name: string, up: string, worst: string) =>
      `${name} over the last 24 hours: up ${up} of the time, in its worst half hour ${worst}`,
  },
  it: {
    title: "Salute per progetto",
    note: "le ultime 24 ore",
    loading: "Caricamento della salute dei progetti",
    none: "Ancora nulla è stato misurato",
    noneNote: "Un minuto dopo l'avvio del primo container il suo progetto appare qui.",
    onHost: (host) => `su ${host}, senza progetto`,
    healthy: (healthy, total) => `${formatCount(healthy)} di ${formatCount(total)} sani`,
    gone: "nulla in esecuzione",
    knownNote: "Quota del tempo in cui qualcosa era in esecuzione e non malsano",
    share,
    unknown: "non noto",
    courseOf: (name, up, worst) =>
      `${name} nelle ultime 24 ore: attivo per ${up} del tempo, nella mezz'ora peggiore ${worst}`,
  },
});
