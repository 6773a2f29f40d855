import { Page } from "@/components/page";
import { defineMessages, useMessages } from "@/lib/i18n";

const messages = defineMessages({ en: { title: "Alerts" }, it: { title: "Avvisi" } });

export function AlertsRoute() {
  const t = useMessages(messages);
  return <Page title={t.title}>{null}</Page>;
}
