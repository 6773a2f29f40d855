import { Page } from "@/components/page";
import { defineMessages, useMessages } from "@/lib/i18n";

const messages = defineMessages({ en: { title: "Cluster" }, it: { title: "Cluster" } });

export function ClusterRoute() {
  const t = useMessages(messages);
  return <Page title={t.title}>{null}</Page>;
}
