import type { AuditView } from "@/api/openapi";
import { Button } from "@/components/ui/button";
import { Sheet } from "@/components/ui/sheet";
import { formatMoment } from "@/lib/format";
import { useMessages } from "@/lib/i18n";
import type { AuditSearch, Outcome } from "./audit-queries";
import { messages } from "./messages";

interface EntrySheetProps {
  entry: AuditView;
  onSearch: (next: Partial<AuditSearch>) => void;
  onClose: () => void;
}

/** Everything that is kept of one entry, and ways to its like. */
export default function EntrySheet({ entry, onSearch, onClose }: EntrySheetProps) {
  const t = useMessages(messages);
  const texts: Record<keyof typeof t.fields, string> = {
    actor: entry.actor || t.stranger,
    actor_id: entry.actor_id,
    action: entry.action,
    resource: entry.resource,
    decision: entry.decision,
    outcome: t.outcomes[entry.outcome as Outcome] ?? entry.outcome,
    reason: entry.reason,
    command: entry.command,
    ip: entry.ip,
    user_agent: entry.user_agent,
    duration_ms: `${entry.duration_ms} ms`,
    request_id: entry.request_id,
    node: entry.node,
    count: entry.count > 1 ? String(entry.count) : "",
  };
  const go = (next: Partial<AuditSearch>) => {
    onClose();
    onSearch(next);
  };
  return (
    <Sheet title={t.entry(entry.sequence)} description={formatMoment(entry.at_ms)} onClose={onClose}>
      <div className="flex min-h-0 flex-1 flex-col gap-4 overflow-y-auto p-4">
        <dl className="grid grid-cols-[auto_1fr] gap-x-4 gap-y-2 text-sm">
          {(Object.keys(texts) as (keyof typeof texts)[])
            .filter((name) => texts[name] !== "")
            .map((name) => (
              <div key={name} className="contents">
                <dt className="text-muted">{t.fields[name]}</dt>
                <dd className="min-w-0 break-words">{texts[name]}</dd>
              </div>
            ))}
        </dl>
        <div className="flex flex-wrap gap-2">
          {entry.actor !== "" && <Button onClick={() => go({ actor: entry.actor })}>{t.allOf}</Button>}
          {entry.resource !== "" && (
            <Button onClick={() => go({ resource: entry.resource })}>{t.allOn}</Button>
          )}
        </div>
      </div>
    </Sheet>
  );
}
