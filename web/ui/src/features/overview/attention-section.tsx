import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { CircleCheck } from "lucide-react";
import { useState } from "react";
import { useCan } from "@/api/permissions";
import { openPlansQuery } from "@/api/plans";
import { clusterQuery, containersQuery, openAlertsQuery, rolloutsQuery, servicesQuery } from "@/api/queries";
import { StatusMark } from "@/components/ui/badge";
import { Card } from "@/components/ui/section";
import { useNow } from "@/lib/clock";
import { formatDuration } from "@/lib/format";
import { useMessages } from "@/lib/i18n";
import { useSentences } from "@/lib/sentences";
import { type Matter, mattersOf } from "./attention";
import { messages } from "./messages";

const SHOWN_MAX = 6;

/** Whether all is well, at a glance; otherwise what is not, and where to look. */
export function AttentionSection() {
  const t = useMessages(messages);
  useSentences();
  const can = useCan();
  const cluster = useQuery(clusterQuery);
  const services = useQuery(servicesQuery);
  const rollouts = useQuery(rolloutsQuery);
  const containers = useQuery(containersQuery);
  const alerts = useQuery({ ...openAlertsQuery, enabled: can("alert.read") });
  const plans = useQuery({ ...openPlansQuery, enabled: can("plan.approve") });
  const [isWhole, setWhole] = useState(false);
  const isKnown = [cluster, services, containers].every(({ data, isError }) => data !== undefined || isError);
  if (!isKnown)
    return (
      <Card className="h-14">
        <div role="status" aria-label={t.loadingAttention} className="animate-breathe h-full" />
      </Card>
    );
  const nodes = cluster.data?.nodes.filter((node) => node.status !== "left") ?? [];
  const matters = mattersOf({
    nodes,
    services: services.data ?? [],
    rollouts: rollouts.data ?? [],
    containers: containers.data?.containers ?? [],
    alerts: alerts.data ?? [],
    plans: plans.data ?? [],
  });
  const shown = isWhole ? matters : matters.slice(0, SHOWN_MAX);
  return (
    <section aria-label={t.attention}>
      <Card>
        {matters.length === 0 ? (
          <p className="flex min-h-14 flex-wrap items-center gap-x-3 px-4 py-2">
            <CircleCheck aria-hidden className="size-5 text-ok" />
            <span className="font-semibold">{t.allWell}</span>
            <span className="text-sm text-muted">
              {t.allWellNote(nodes.length, services.data?.length ?? 0)}
            </span>
          </p>
        ) : (
          <>
            <h2 className="px-4 pt-3 pb-1 text-base font-semibold">{t.things(matters.length)}</h2>
            <ul className="divide-y divide-line">
              {shown.map((matter) => (
                <Line key={matter.key} matter={matter} />
              ))}
            </ul>
            {shown.length < matters.length && (
              <button
                type="button"
                onClick={() => setWhole(true)}
                className="w-full border-t border-line px-4 py-2 text-left text-sm font-medium text-accent hover:underline"
              >
                {t.more(matters.length - shown.length)}
              </button>
            )}
          </>
        )}
      </Card>
    </section>
  );
}

function Line({ matter }: { matter: Matter }) {
  const t = useMessages(messages);
  const now = useNow();
  return (
    <li className="relative flex items-baseline gap-2.5 px-4 py-2 text-sm hover:bg-hover">
      <StatusMark tone={matter.tone} />
      <p className="min-w-0 flex-1 break-words">
        <Link {...linkOf(matter)} className="font-medium after:absolute after:inset-0">
          {matter.name}
        </Link>{" "}
        {matter.words}
      </p>
      {matter.sinceMs !== null && (
        <span className="tabular shrink-0 text-xs text-muted">
          {t.since(formatDuration(now - matter.sinceMs))}
        </span>
      )}
    </li>
  );
}

function linkOf({ to }: Matter) {
  switch (to.page) {
    case "host":
      return { to: "/cluster", search: { host: to.id } } as const;
    case "service":
      return { to: "/services/$service", params: { service: to.id } } as const;
    case "rollout":
      return { to: "/rollouts/$rollout", params: { rollout: to.id } } as const;
    case "container":
      return { to: "/containers/$node/$container", params: { node: to.node, container: to.id } } as const;
    case "alert":
      return { to: "/alerts", search: { alert: to.number } } as const;
    case "plan":
      return { to: "/plans/$plan", params: { plan: to.id } } as const;
  }
}
