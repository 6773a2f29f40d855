import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { Circle, CircleCheck, X } from "lucide-react";
import { useState } from "react";
import { request } from "@/api/client";
import type { UserPage, WebhookPage } from "@/api/openapi";
import { useCan } from "@/api/permissions";
import { clusterQuery, servicesQuery } from "@/api/queries";
import { Button } from "@/components/ui/button";
import { Card } from "@/components/ui/section";
import { useMessages } from "@/lib/i18n";
import { checklist } from "./checklist-messages";

const KEY = "tower.checklist";

function isPutAway(): boolean {
  try {
    return localStorage.getItem(KEY) === "done";
  } catch {
    // Storage is blocked: it can be put away for this page only.
    return false;
  }
}

/** What is left to do on a new cluster, for those who may do it. Gone when all is done, or put away. */
export function Checklist() {
  const t = useMessages(checklist);
  const can = useCan();
  const isAdmin = can("user.create") && can("node.join");
  const [isAway, setAway] = useState(isPutAway);
  const isAsking = isAdmin && !isAway;
  const { data: cluster } = useQuery(clusterQuery);
  const { data: services } = useQuery(servicesQuery);
  const users = useQuery({
    queryKey: ["access", "users", "count"],
    queryFn: ({ signal }) => request<UserPage>("/users", { query: { limit: 2 }, signal }),
    enabled: isAsking,
  });
  const webhooks = useQuery({
    queryKey: ["webhooks", "count"],
    queryFn: ({ signal }) => request<WebhookPage>("/webhooks", { query: { limit: 1 }, signal }),
    enabled: isAsking,
  });
  if (!isAsking || cluster === undefined || services === undefined || !users.data || !webhooks.data)
    return null;
  const hosts = cluster.nodes.filter((node) => node.status !== "left").length;
  const steps = [
    { key: "hosts", isDone: hosts >= 3, to: "/cluster", search: { add: true } },
    { key: "service", isDone: services.length > 0, to: "/deploy", search: {} },
    { key: "people", isDone: users.data.items.length > 1, to: "/access", search: {} },
    { key: "webhook", isDone: webhooks.data.items.length > 0, to: "/integrations", search: {} },
  ] as const;
  if (steps.every(({ isDone }) => isDone)) return null;
  const putAway = () => {
    setAway(true);
    try {
      localStorage.setItem(KEY, "done");
    } catch {
      // Storage is blocked: it is away for this page.
    }
  };
  return (
    <section aria-label={t.title}>
      <Card className="px-4 py-3">
        <header className="flex items-center justify-between gap-3">
          <h2 className="text-base font-semibold">
            {t.title}{" "}
            <span className="tabular text-sm font-normal text-muted">
              {t.done(steps.filter(({ isDone }) => isDone).length, steps.length)}
            </span>
          </h2>
          <Button tone="ghost" isIcon aria-label={t.putAway} onClick={putAway}>
            <X aria-hidden className="size-4" />
          </Button>
        </header>
        <ul className="mt-1 grid gap-x-6 gap-y-2 sm:grid-cols-2 xl:grid-cols-4">
          {steps.map(({ key, isDone, to, search }) => (
            <li key={key} className="flex items-start gap-2 text-sm">
              {isDone ? (
                <CircleCheck aria-label={t.isDone} className="mt-0.5 size-4 shrink-0 text-ok" />
              ) : (
                <Circle aria-label={t.isOpen} className="mt-0.5 size-4 shrink-0 text-muted" />
              )}
              <span>
                {isDone ? (
                  <span className="font-medium">{t[key].title}</span>
                ) : (
                  <Link to={to} search={search} className="font-medium text-accent hover:underline">
                    {t[key].title}
                  </Link>
                )}
                <span className="block text-muted">{t[key].note}</span>
              </span>
            </li>
          ))}
        </ul>
      </Card>
    </section>
  );
}
