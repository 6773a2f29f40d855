import { Page } from "@/components/page";
import { defineMessages, useMessages } from "@/lib/i18n";

const messages = defineMessages({ en: { title: "Integrations" }, it: { title: "Integrazioni" } });

export function IntegrationsRoute() {
  const t = useMessages(messages);
  return <Page title={t.title}>{null}</Page>;
}
