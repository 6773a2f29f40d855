import { Page } from "@/components/page";
import { defineMessages, useMessages } from "@/lib/i18n";

const messages = defineMessages({ en: { title: "Environments" }, it: { title: "Ambienti" } });

export function EnvironmentsRoute() {
  const t = useMessages(messages);
  return <Page title={t.title}>{null}</Page>;
}
