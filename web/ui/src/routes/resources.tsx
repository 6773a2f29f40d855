import { Page } from "@/components/page";
import { defineMessages, useMessages } from "@/lib/i18n";

const messages = defineMessages({
  en: { title: "Images, volumes, networks" },
  it: { title: "Immagini, volumi, reti" },
});

export function ResourcesRoute() {
  const t = useMessages(messages);
  return <Page title={t.title}>{null}</Page>;
}
