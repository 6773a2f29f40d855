import { defineMessages } from "@/lib/i18n";

export const messages = defineMessages({
  en: {
    close: "Close",
    cancel: "Cancel",
    dismiss: "Dismiss",
    notices: "Notices",
    failed: "That did not work",
  },
  it: {
    close: "Chiudi",
    cancel: "Annulla",
    dismiss: "Chiudi l'avviso",
    notices: "Notifiche",
    failed: "Non ha funzionato",
  },
});
