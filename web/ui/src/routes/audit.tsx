import { Page } from "@/components/page";
import { defineMessages, useMessages } from "@/lib/i18n";

const messages = defineMessages({ en: { title: "Audit" }, it: { title: "Registro delle azioni" } });

export function AuditRoute() {
  const t = useMessages(messages);
  return <Page title={t.title}>{null}</Page>;
}
