import { useQuery } from "@tanstack/react-query";
import { History } from "lucide-react";
import { useCan } from "@/api/permissions";
import { auditQuery, clusterQuery, lateAlertsQuery, rolloutsQuery } from "@/api/queries";
import { Ago } from "@/components/ago";
import { Loaded } from "@/components/loaded";
import { Empty, Loading } from "@/components/states";
import { StatusMark } from "@/components/ui/badge";
import { Card, Section } from "@/components/ui/section";
import { useMessages } from "@/lib/i18n";
import { useSentences } from "@/lib/sentences";
import { type Change, changesOf } from "./change";
import { messages } from "./messages";

/** What changed lately: rollouts, hosts, alerts, and for administrators what people did. */
export function ChangesSection() {
  const t = useMessages(messages);
  useSentences();
  const can = useCan();
  const rollouts = useQuery(rolloutsQuery);
  const cluster = useQuery(clusterQuery);
  const audit = useQuery({ ...auditQuery, enabled: can("audit.read") });
  const alerts = useQuery({ ...lateAlertsQuery, enabled: can("alert.read") });
  return (
    <Section title={t.title}>
      <Card className="flex-1 overflow-hidden">
        <Loaded query={rollouts} loading={<Loading label={t.loading} rows={4} />}>
          {(known) => (
            <Changes
              changes={changesOf({
                rollouts: known,
                nodes: cluster.data?.nodes ?? [],
                audit: audit.data ?? [],
                alerts: alerts.data ?? [],
              })}
            />
          )}
        </Loaded>
      </Card>
    </Section>
  );
}

function Changes({ changes }: { changes: readonly Change[] }) {
  const t = useMessages(messages);
  if (changes.length === 0) {
    return (
      <Empty icon={<History className="size-5" />} title={t.none}>
        {t.noneNote}
      </Empty>
    );
  }
  return (
    <ol className="divide-y divide-line">
      {changes.map((change) => (
        <li key={change.key} className="flex items-baseline gap-2.5 px-4 py-2 text-sm">
          <StatusMark tone={change.tone} />
          <div className="min-w-0 flex-1">
            <p className="break-words">
              {change.actor !== "" && <span className="font-medium">{change.actor} </span>}
              {change.words}
            </p>
            {change.detail !== "" && <p className="text-xs break-words text-muted">{change.detail}</p>}
          </div>
          <time
            dateTime={new Date(change.atMs).toISOString()}
            className="tabular shrink-0 text-xs text-muted"
          >
            <Ago atMs={change.atMs} />
          </time>
        </li>
      ))}
    </ol>
  );
}
