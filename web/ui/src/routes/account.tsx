import { Page } from "@/components/page";
import { defineMessages, useMessages } from "@/lib/i18n";

const messages = defineMessages({ en: { title: "Your account" }, it: { title: "Il proprio account" } });

export function AccountRoute() {
  const t = useMessages(messages);
  return <Page title={t.title}>{null}</Page>;
}
