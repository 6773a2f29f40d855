import { Page } from "@/components/page";
import { defineMessages, useMessages } from "@/lib/i18n";

const messages = defineMessages({ en: { title: "Logs" }, it: { title: "Log" } });

export function LogsRoute() {
  const t = useMessages(messages);
  return <Page title={t.title}>{null}</Page>;
}
