import { Page } from "@/components/page";
import { defineMessages, useMessages } from "@/lib/i18n";

const messages = defineMessages({ en: { title: "Capacity" }, it: { title: "Capacità" } });

export function CapacityRoute() {
  const t = useMessages(messages);
  return <Page title={t.title}>{null}</Page>;
}
