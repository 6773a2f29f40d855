import { Page } from "@/components/page";
import { defineMessages, useMessages } from "@/lib/i18n";

const messages = defineMessages({ en: { title: "Services" }, it: { title: "Servizi" } });

export function ServicesRoute() {
  const t = useMessages(messages);
  return <Page title={t.title}>{null}</Page>;
}
