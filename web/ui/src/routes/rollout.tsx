import { Page } from "@/components/page";
import { defineMessages, useMessages } from "@/lib/i18n";

const messages = defineMessages({ en: { title: "Rollout" }, it: { title: "Rilascio" } });

export function RolloutRoute() {
  const t = useMessages(messages);
  return <Page title={t.title}>{null}</Page>;
}
