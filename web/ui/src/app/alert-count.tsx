import { useQuery } from "@tanstack/react-query";
import { openAlertsQuery } from "@/api/queries";
import { defineMessages, useMessages } from "@/lib/i18n";
import { Count } from "./count";

const messages = defineMessages({
  en: { open: (count: number) => `${count} firing` },
  it: { open: (count) => `${count} attivi` },
});

/** How many alerts fire that nobody looks after, beside the link to them. */
export function AlertCount({ isIcons }: { isIcons: boolean }) {
  const t = useMessages(messages);
  const { data = [] } = useQuery(openAlertsQuery);
  const firing = data.filter(({ state }) => state === "firing");
  const isBad = firing.some(({ severity }) => severity === "critical");
  return <Count count={firing.length} words={t.open(firing.length)} isBad={isBad} isIcons={isIcons} />;
}
