import { useQuery } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { useEffect, useRef } from "react";
import { said } from "@/api/alerts";
import { openAlertsQuery } from "@/api/queries";
import { showNotice } from "@/components/ui/toast-store";
import { useMessages } from "@/lib/i18n";
import { messages } from "./messages";
import { newlyTold } from "./newly-told";

/** Says, on every page, when people are told of a new alert. Nothing of it is seen otherwise. */
export default function AlertNews() {
  const t = useMessages(messages);
  const navigate = useNavigate();
  const { data } = useQuery(openAlertsQuery);
  const known = useRef<ReadonlySet<number> | null>(null);
  useEffect(() => {
    if (data === undefined) return;
    const { told, news } = newlyTold(known.current, data);
    known.current = told;
    for (const alert of news)
      showNotice(t.new, said(alert, "text"), {
        label: t.show,
        run: () => void navigate({ to: "/alerts", search: { alert: alert.number } }),
      });
  }, [data, navigate, t]);
  return null;
}
