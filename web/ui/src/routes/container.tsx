import { Page } from "@/components/page";
import { defineMessages, useMessages } from "@/lib/i18n";

const messages = defineMessages({ en: { title: "Container" }, it: { title: "Container" } });

export function ContainerRoute() {
  const t = useMessages(messages);
  return <Page title={t.title}>{null}</Page>;
}
