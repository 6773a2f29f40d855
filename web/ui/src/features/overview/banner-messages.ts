import { defineMessages } from "@/lib/i18n";

export const banners = defineMessages({
  en: {
    diskFull: "The disk is full",
    diskFullNote: "Nothing can be changed from this host until there is room again; reading goes on.",
    noLeader: "No leader at the moment",
    noLeaderNote: "The voters are choosing one, which takes a second or two. Changes wait until then.",
    noQuorum: "No quorum: nothing can be changed",
    noQuorumNote: (healthy: number, voters: number, needed: number) =>
      `${healthy} of ${voters} voters can be reached, and ${needed} must agree. Containers keep running and this page shows the last known state. Bring a lost host back; if none can come back, run this on the host with the newest state:`,
    thisHost: "This host",
    behind: (host: string, age: string) => `${host} is behind: what you see was true ${age} ago`,
    behindNote:
      "It is not the leader and has not heard from it since. Open the dashboard on another host for the present state.",
    silent: (host: string) => `${host} does not answer`,
    notLive: (duration: string) => `No live connection for ${duration}`,
    reconnect: "Reconnect now",
    wasTrue: (duration: string) => `What you see was true ${duration} ago.`,
    old: "Numbers may be a few seconds old.",
    nextTry: (seconds: number) => (seconds > 0 ? `Next try in ${seconds} s.` : "Next try now."),
    others: "The others show the present state:",
  },
  it: {
    diskFull: "Il disco è pieno",
    diskFullNote: "Da questo host nulla può essere modificato finché non c'è spazio; la lettura continua.",
    noLeader: "Al momento nessun leader",
    noLeaderNote:
      "I votanti ne stanno scegliendo uno: un secondo o due. Fino ad allora le modifiche attendono.",
    noQuorum: "Quorum perso: nulla può essere modificato",
    noQuorumNote: (healthy, voters, needed) =>
      `${healthy} di ${voters} votanti sono raggiungibili, e ${needed} devono concordare. I container restano in esecuzione e questa pagina mostra l'ultimo stato noto. Va recuperato un host perso; se nessuno può tornare, va eseguito sull'host con lo stato più recente:`,
    thisHost: "Questo host",
    behind: (host, age) => `${host} è in ritardo: quanto si vede era vero ${age} fa`,
    behindNote:
      "Non è il leader e da allora non l'ha più sentito. Per lo stato attuale va aperto il pannello su un altro host.",
    silent: (host) => `${host} non risponde`,
    notLive: (duration) => `Nessuna connessione in diretta da ${duration}`,
    reconnect: "Riconnetti ora",
    wasTrue: (duration) => `Quanto si vede era vero ${duration} fa.`,
    old: "I numeri possono avere qualche secondo.",
    nextTry: (seconds) => (seconds > 0 ? `Nuovo tentativo tra ${seconds} s.` : "Nuovo tentativo ora."),
    others: "Gli altri mostrano lo stato attuale:",
  },
});
