import { defineMessages } from "@/lib/i18n";

export const messages = defineMessages({
  en: {
    notAllowed: "Not for your role",
    noAnswer: "No answer",
    failed: "This failed",
    retry: "Try again",
    copy: "Copy",
    copied: "Copied",
    actions: "Actions",
    actionsFor: (name: string) => `Actions for ${name}`,
    lastKnown: (age: string) => `Last known ${age}.`,
  },
  it: {
    notAllowed: "Non consentito a questo ruolo",
    noAnswer: "Nessuna risposta",
    failed: "Non riuscito",
    retry: "Riprova",
    copy: "Copia",
    copied: "Copiato",
    actions: "Azioni",
    actionsFor: (name) => `Azioni per ${name}`,
    lastKnown: (age) => `Ultimo stato noto: ${age}.`,
  },
});
