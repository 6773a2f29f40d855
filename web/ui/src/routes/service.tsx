import { Page } from "@/components/page";
import { defineMessages, useMessages } from "@/lib/i18n";

const messages = defineMessages({ en: { title: "Service" }, it: { title: "Servizio" } });

export function ServiceRoute() {
  const t = useMessages(messages);
  return <Page title={t.title}>{null}</Page>;
}
