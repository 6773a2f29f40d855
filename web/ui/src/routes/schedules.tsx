import { Page } from "@/components/page";
import { defineMessages, useMessages } from "@/lib/i18n";

const messages = defineMessages({ en: { title: "Schedules" }, it: { title: "Pianificazione" } });

export function SchedulesRoute() {
  const t = useMessages(messages);
  return <Page title={t.title}>{null}</Page>;
}
