import { plural } from "@/lib/format";
import { defineMessages } from "@/lib/i18n";

/** What the overview shows of hosts: part of the first load, so it is kept short. */
export const messages = defineMessages({
  en: {
    hosts: "Hosts",
    loadingHosts: "Loading hosts",
    noHosts: "No hosts yet",
    noHostsNote: "Add one from the cluster page, or run `tower token create` here and `tower join` there.",
    alone: "Add a second and a third host",
    addHost: "Add a host",
    aloneNote: "Then the loss of one stops nothing.",
    statuses: { up: "up", suspect: "suspect", down: "down", left: "left", silent: "silent" },
    roles: { voter: "voter", learner: "learner" },
    leader: "leader",
    draining: "draining",
    cpu: "CPU",
    memory: "Memory",
    cores: (count: number) => plural(count, "core"),
    of: (whole: string) => `of ${whole}`,
    courseOf: (term: string, value: string, whole: string) =>
      `${term} over the last ten minutes, now ${value} ${whole}`,
    containers: "containers",
    for: (word: string, duration: string) => `${word} for ${duration}`,
    since: (moment: string) => `since ${moment}`,
  },
  it: {
    hosts: "Host",
    loadingHosts: "Caricamento degli host",
    noHosts: "Ancora nessun host",
    noHostsNote:
      "Se ne aggiunge uno dalla pagina del cluster, o con `tower token create` qui e `tower join` là.",
    alone: "Aggiungi un secondo e un terzo host",
    addHost: "Aggiungi un host",
    aloneNote: "Così la perdita di uno non ferma nulla.",
    statuses: { up: "attivo", suspect: "sospetto", down: "caduto", left: "uscito", silent: "muto" },
    roles: { voter: "votante", learner: "osservatore" },
    leader: "leader",
    draining: "in svuotamento",
    cpu: "CPU",
    memory: "Memoria",
    cores: (count) => plural(count, "core", "core"),
    of: (whole) => `di ${whole}`,
    courseOf: (term, value, whole) => `${term} negli ultimi dieci minuti, ora ${value} ${whole}`,
    containers: "container",
    for: (word, duration) => `${word} da ${duration}`,
    since: (moment) => `dal ${moment}`,
  },
});
