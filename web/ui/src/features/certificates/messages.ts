import { defineMessages } from "@/lib/i18n";

/** Of certificates, whatever they are for. */
export const messages = defineMessages({
  en: {
    add: "Add a certificate",
    loading: "Loading the certificates",
    name: "Name",
    nameHint: "Any name; the host names are read from the certificate.",
    certificate: "Certificate and chain (PEM)",
    certificateHint: "The host’s own first, then each the one that signed the one before.",
    key: "Private key (PEM)",
    keyHint: "It is sealed at once and never shown again.",
    saving: "Checking…",
    ends: (moment: string) => `ends ${moment}`,
    ended: (moment: string) => `ended ${moment}`,
    replace: "Replace",
    remove: "Remove",
    removeTitle: (name: string) => `Remove certificate ${name}?`,
    removed: (name: string) => `Certificate ${name} was removed`,
  },
  it: {
    add: "Aggiungi un certificato",
    loading: "Caricamento dei certificati",
    name: "Nome",
    nameHint: "Un nome qualsiasi; i nomi host si leggono dal certificato.",
    certificate: "Certificato e catena (PEM)",
    certificateHint: "Prima quello dell’host, poi ogni volta quello che ha firmato il precedente.",
    key: "Chiave privata (PEM)",
    keyHint: "È sigillata subito e mai più mostrata.",
    saving: "Verifica in corso…",
    ends: (moment) => `scade ${moment}`,
    ended: (moment) => `scaduto ${moment}`,
    replace: "Sostituisci",
    remove: "Rimuovi",
    removeTitle: (name) => `Rimuovere il certificato ${name}?`,
    removed: (name) => `Il certificato ${name} è stato rimosso`,
  },
});

export const routeMessages = defineMessages({
  en: {
    title: "Certificates of routes",
    note: "What HAProxy shows to visitors, by host name",
    none: "No certificate yet",
    noneNote: "Routes without one are served over plain HTTP. Add a certificate and its key, both as PEM.",
    save: "Keep it",
    saved: (name: string) => `Certificate ${name} is in force within seconds`,
    removeNote: (hosts: string) => `${hosts} will be served without it.`,
    states: { valid: "valid", soon: "ends soon", ended: "over" },
  },
  it: {
    title: "Certificati delle rotte",
    note: "Ciò che HAProxy mostra ai visitatori, per nome host",
    none: "Ancora nessun certificato",
    noneNote:
      "Le rotte senza certificato sono servite in HTTP semplice. Servono il certificato e la chiave, in PEM.",
    save: "Conserva",
    saved: (name) => `Il certificato ${name} è in vigore entro pochi secondi`,
    removeNote: (hosts) => `${hosts} saranno serviti senza.`,
    states: { valid: "valido", soon: "scade presto", ended: "scaduto" },
  },
});

export const dashboardMessages = defineMessages({
  en: {
    title: "Certificates of the dashboard",
    note: "What browsers are shown here, by the name they ask for",
    none: "The cluster’s own certificates are served",
    noneNote:
      "Browsers trust them once the cluster’s authority was imported. Add one of your own for the names people use.",
    save: "Serve it",
    saved: (name: string) => `Every host serves ${name} within seconds`,
    removeNote: (hosts: string) => `${hosts}: the cluster’s own certificate is served again.`,
    states: { serving: "served", soon: "ends soon", ended: "over", shadowed: "another one is served" },
  },
  it: {
    title: "Certificati della dashboard",
    note: "Ciò che i browser ricevono qui, secondo il nome richiesto",
    none: "Si usano i certificati del cluster",
    noneNote:
      "I browser li accettano dopo aver importato l’autorità del cluster. Aggiungerne uno proprio per i nomi in uso.",
    save: "Usa questo",
    saved: (name) => `Ogni host usa ${name} entro pochi secondi`,
    removeNote: (hosts) => `${hosts}: si torna al certificato del cluster.`,
    states: { serving: "in uso", soon: "scade presto", ended: "scaduto", shadowed: "se ne usa un altro" },
  },
});
