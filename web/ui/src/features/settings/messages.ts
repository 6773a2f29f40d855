import { defineMessages } from "@/lib/i18n";

export const messages = defineMessages({
  en: {
    loading: "Loading the settings",
    none: "No settings",
    noneNote: "This host tells of none.",
    save: "Save",
    cancel: "Cancel",
    reset: "Back to the default",
    default: (value: string) => `default: ${value}`,
    changed: (age: string) => `changed ${age}`,
    saved: (name: string) => `${name}: saved for the whole cluster`,
    nothing: "nothing",
    days: (kind: string, record: string) => `${kind}, ${record}: days kept`,
    groups: {
      hosts: { title: "Hosts that fall silent", note: "When a host counts as lost and its replicas move." },
      history: { title: "History of metrics", note: "How long each record is kept, in days, on every host." },
      logs: { title: "History of logs", note: "How much of what containers write is kept on each host." },
      access: { title: "Logging in", note: "What is asked of people besides their password." },
      programs: { title: "Assistants and other programs", note: "What a person approves before it is done." },
      outbound: { title: "Calls to the outside", note: "Where webhooks, exports and logins may go." },
      others: { title: "Other settings", note: "What programs have put here." },
    },
    settings: {
      "cluster.node_suspect_after_ms": {
        title: "Suspect after",
        note: "Milliseconds without a sign; nothing moves yet.",
      },
      "cluster.node_down_after_ms": {
        title: "Down after",
        note: "Milliseconds without a sign; then its replicas start elsewhere.",
      },
      "metrics.bytes_max": { title: "Room for it on each host", note: "Bytes; the oldest goes first." },
      "logs.history_bytes_max": { title: "Room for it on each host", note: "Bytes; the oldest goes first." },
      "logs.history_age_max_d": { title: "Kept for", note: "Days at most." },
      "logs.history_enabled": {
        title: "Keep a history",
        note: "Without one, only what Docker still has can be read.",
      },
      "auth.second_factor": {
        title: "Authenticator codes",
        note: "Who must have an authenticator app to log in.",
      },
      "plans.required": {
        title: "What becomes a plan",
        note: "Of what programs ask for over MCP: what may disturb what runs, everything that changes something, or nothing.",
      },
      "plans.four_eyes": {
        title: "Four eyes",
        note: "Nobody approves what was asked for in their own name.",
      },
      "plans.in_client": {
        title: "Approved at the client",
        note: "Whether a client that can ask the person at it may pass on their yes.",
      },
      "outbound.allowed_networks": {
        title: "Private networks that may be called",
        note: "Networks as 10.0.0.0/8, separated by commas. Without an entry only public addresses are called.",
      },
    } as Record<string, { title: string; note: string }>,
    kinds: {
      host: "Hosts",
      container: "Containers",
      disk: "Disks",
      sensor: "Sensors",
      route: "Routes",
      agent: "Agents",
      external: "Imported",
    } as Record<string, string>,
    kind: "Of",
    records: { raw: "every 10 s", hourly: "by the hour", daily: "by the day" } as Record<string, string>,
  },
  it: {
    loading: "Caricamento delle impostazioni",
    none: "Nessuna impostazione",
    noneNote: "Questo host non ne conosce.",
    save: "Salva",
    cancel: "Annulla",
    reset: "Torna al valore predefinito",
    default: (value) => `predefinito: ${value}`,
    changed: (age) => `modificata ${age}`,
    saved: (name) => `${name}: salvata per tutto il cluster`,
    nothing: "nulla",
    days: (kind, record) => `${kind}, ${record}: giorni conservati`,
    groups: {
      hosts: {
        title: "Host che tacciono",
        note: "Quando un host conta come perso e le sue repliche si spostano.",
      },
      history: {
        title: "Storico delle metriche",
        note: "Per quanto si conserva ogni registrazione, in giorni, su ogni host.",
      },
      logs: {
        title: "Storico dei log",
        note: "Quanto di ciò che i container scrivono si conserva su ogni host.",
      },
      access: { title: "Accesso", note: "Che cosa è richiesto oltre alla password." },
      programs: {
        title: "Assistenti e altri programmi",
        note: "Che cosa una persona approva prima che sia fatto.",
      },
      outbound: {
        title: "Chiamate all'esterno",
        note: "Dove possono andare webhook, esportazioni e accessi.",
      },
      others: { title: "Altre impostazioni", note: "Ciò che altri programmi hanno messo qui." },
    },
    settings: {
      "cluster.node_suspect_after_ms": {
        title: "Sospetto dopo",
        note: "Millisecondi senza un segno; nulla si sposta ancora.",
      },
      "cluster.node_down_after_ms": {
        title: "Caduto dopo",
        note: "Millisecondi senza un segno; poi le sue repliche partono altrove.",
      },
      "metrics.bytes_max": { title: "Spazio su ogni host", note: "Byte; il più vecchio va via per primo." },
      "logs.history_bytes_max": {
        title: "Spazio su ogni host",
        note: "Byte; il più vecchio va via per primo.",
      },
      "logs.history_age_max_d": { title: "Conservato per", note: "Giorni al massimo." },
      "logs.history_enabled": {
        title: "Conserva uno storico",
        note: "Senza, si può leggere solo ciò che Docker ha ancora.",
      },
      "auth.second_factor": {
        title: "Codici di autenticazione",
        note: "Chi deve avere un'app di autenticazione per accedere.",
      },
      "plans.required": {
        title: "Che cosa diventa un piano",
        note: "Di quanto i programmi chiedono via MCP: ciò che può disturbare quello che è in esecuzione, tutto ciò che cambia qualcosa, o niente.",
      },
      "plans.four_eyes": {
        title: "Quattro occhi",
        note: "Nessuno approva quanto è stato chiesto a suo nome.",
      },
      "plans.in_client": {
        title: "Approvato nel client",
        note: "Se un client che sa chiedere alla persona può riferire il suo sì.",
      },
      "outbound.allowed_networks": {
        title: "Reti private che si possono chiamare",
        note: "Reti come 10.0.0.0/8, separate da virgole. Senza voci si chiamano solo indirizzi pubblici.",
      },
    },
    kinds: {
      host: "Host",
      container: "Container",
      disk: "Dischi",
      sensor: "Sensori",
      route: "Rotte",
      agent: "Agenti",
      external: "Importati",
    },
    kind: "Di",
    records: { raw: "ogni 10 s", hourly: "per ora", daily: "per giorno" },
  },
});
