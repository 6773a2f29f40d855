import { Page } from "@/components/page";
import { defineMessages, useMessages } from "@/lib/i18n";

const messages = defineMessages({ en: { title: "Containers" }, it: { title: "Container" } });

export function ContainersRoute() {
  const t = useMessages(messages);
  return <Page title={t.title}>{null}</Page>;
}
