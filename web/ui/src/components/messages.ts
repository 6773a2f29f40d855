import { defineMessages } from "@/lib/i18n";

export const messages = defineMessages({
  en: {
    notAllowed: "Not for your role",
    noAnswer: "No answer",
    failed: "This failed",
    retry: "Try again",
    lastKnown: (age: string) => `Last known ${age}.`,
  },
  it: {
    notAllowed: "Non consentito a questo ruolo",
    noAnswer: "Nessuna risposta",
    failed: "Non riuscito",
    retry: "Riprova",
    lastKnown: (age) => `Ultimo stato noto: ${age}.`,
  },
});
