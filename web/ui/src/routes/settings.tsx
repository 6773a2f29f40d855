import { Page } from "@/components/page";
import { defineMessages, useMessages } from "@/lib/i18n";

const messages = defineMessages({ en: { title: "Settings" }, it: { title: "Impostazioni" } });

export function SettingsRoute() {
  const t = useMessages(messages);
  return <Page title={t.title}>{null}</Page>;
}
