import { Page } from "@/components/page";
import { defineMessages, useMessages } from "@/lib/i18n";

const messages = defineMessages({ en: { title: "Metrics" }, it: { title: "Metriche" } });

export function MetricsRoute() {
  const t = useMessages(messages);
  return <Page title={t.title}>{null}</Page>;
}
