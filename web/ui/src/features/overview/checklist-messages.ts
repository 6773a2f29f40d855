import { defineMessages } from "@/lib/i18n";

export const checklist = defineMessages({
  en: {
    title: "Getting started",
    done: (done: number, all: number) => `${done} of ${all} done`,
    putAway: "Put this list away",
    isDone: "Done:",
    isOpen: "To do:",
    hosts: { title: "Have three hosts", note: "Then any one of them may fail." },
    service: { title: "Deploy a compose file", note: "Or take over a project that runs already." },
    people: { title: "Give others an account", note: "Everybody with their own role." },
    webhook: { title: "Be told elsewhere", note: "Alerts to a chat or an on-call service." },
  },
  it: {
    title: "Per iniziare",
    done: (done, all) => `${done} di ${all} fatti`,
    putAway: "Metti via questo elenco",
    isDone: "Fatto:",
    isOpen: "Da fare:",
    hosts: { title: "Avere tre host", note: "Così uno qualsiasi può cadere." },
    service: { title: "Rilasciare un file compose", note: "O prendere in carico un progetto già attivo." },
    people: { title: "Dare un account ad altri", note: "A ciascuno il proprio ruolo." },
    webhook: { title: "Essere avvisati altrove", note: "Avvisi a una chat o a un servizio di reperibilità." },
  },
});
