import { useQuery } from "@tanstack/react-query";
import { openAlertsQuery } from "@/api/queries";
import { cn } from "@/lib/cn";
import { defineMessages, useMessages } from "@/lib/i18n";

const messages = defineMessages({
  en: { open: (count: number) => `${count} firing` },
  it: { open: (count) => `${count} attivi` },
});

/** How many alerts fire that nobody looks after, beside the link to them. */
export function AlertCount({ isIcons }: { isIcons: boolean }) {
  const t = useMessages(messages);
  const { data = [] } = useQuery(openAlertsQuery);
  const firing = data.filter(({ state }) => state === "firing");
  if (firing.length === 0) return null;
  const isBad = firing.some(({ severity }) => severity === "critical");
  return (
    <span
      className={cn(
        "tabular ml-auto inline-flex h-5 min-w-5 items-center justify-center rounded-full px-1 text-xs font-semibold",
        isBad ? "bg-bad-soft text-bad" : "bg-warn-soft text-warn",
        isIcons && "md:max-lg:absolute md:max-lg:top-0 md:max-lg:right-0 md:max-lg:h-4 md:max-lg:min-w-4",
      )}
    >
      <span aria-hidden>{firing.length}</span>
      <span className="sr-only">{t.open(firing.length)}</span>
    </span>
  );
}
