import { useQuery } from "@tanstack/react-query";
import { openPlansQuery } from "@/api/plans";
import { defineMessages, useMessages } from "@/lib/i18n";
import { Count } from "./count";

const messages = defineMessages({
  en: { waiting: (count: number) => `${count} for you to decide` },
  it: { waiting: (count) => `${count} da decidere` },
});

/** How many plans wait that this person may approve, beside the link to them. */
export function PlanCount({ isIcons }: { isIcons: boolean }) {
  const t = useMessages(messages);
  const { data = [] } = useQuery(openPlansQuery);
  const count = data.filter(({ can }) => can.includes("approve")).length;
  return <Count count={count} words={t.waiting(count)} isIcons={isIcons} />;
}
