import { defineMessages } from "@/lib/i18n";

export const messages = defineMessages({
  en: {
    notAllowed: "Not for your role",
    noAnswer: "No answer",
    failed: "This failed",
    retry: "Try again",
    copy: "Copy",
    copied: "Copied",
    lastKnown: (age: string) => `Last known ${age}.`,
  },
  it: {
    notAllowed: "Non consentito a questo ruolo",
    noAnswer: "Nessuna risposta",
    failed: "Non riuscito",
    retry: "Riprova",
    copy: "Copia",
    copied: "Copiato",
    lastKnown: (age) => `Ultimo stato noto: ${age}.`,
  },
});
