import { defineMessages } from "@/lib/i18n";

export const messages = defineMessages({
  en: {
    title: "Go to or do",
    hint: "A page, host, service or container, or what is to be done with it",
    placeholder: "Search, or type what to do",
    nothing: (query: string) => `Nothing here is called “${query}”`,
    keys: "choose with ↑ ↓ and Enter; Esc closes",
  },
  it: {
    title: "Vai o esegui",
    hint: "Una pagina, un host, un servizio, un container, oppure che cosa farne",
    placeholder: "Cerca, o scrivi che cosa fare",
    nothing: (query) => `Qui nulla si chiama “${query}”`,
    keys: "scegli con ↑ ↓ e Invio; Esc chiude",
  },
});
