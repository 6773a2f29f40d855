import { defineMessages } from "@/lib/i18n";

export const messages = defineMessages({
  en: {
    account: "Your account",
    accountOf: (name: string) => `Account of ${name}`,
    logOut: "Log out",
    roles: { none: "no role", viewer: "viewer", operator: "operator", admin: "administrator" },
    themes: { system: "As the system", light: "Light", dark: "Dark" },
  },
  it: {
    account: "Il proprio account",
    accountOf: (name) => `Account di ${name}`,
    logOut: "Esci",
    roles: { none: "nessun ruolo", viewer: "osservatore", operator: "operatore", admin: "amministratore" },
    themes: { system: "Come il sistema", light: "Chiaro", dark: "Scuro" },
  },
});
