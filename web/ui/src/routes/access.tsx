import { Page } from "@/components/page";
import { defineMessages, useMessages } from "@/lib/i18n";

const messages = defineMessages({ en: { title: "Access" }, it: { title: "Accessi" } });

export function AccessRoute() {
  const t = useMessages(messages);
  return <Page title={t.title}>{null}</Page>;
}
