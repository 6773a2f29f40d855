import type { AuditView } from "@/api/openapi";
import { Button } from "@/components/ui/button";
import { LinkButton } from "@/components/ui/link-button";
import { Sheet } from "@/components/ui/sheet";
import { formatMoment } from "@/lib/format";
import { useMessages } from "@/lib/i18n";
import type { AuditSearch, Outcome } from "./audit-queries";
import { subjectOf } from "./entry-subject";
import { messages } from "./messages";
import { changesIn, type RecordedChange } from "./recorded-changes";

interface EntrySheetProps {
  entry: AuditView;
  onSearch: (next: Partial<AuditSearch>) => void;
  onClose: () => void;
}

/** Everything that is kept of one entry, and ways to its like. */
export default function EntrySheet({ entry, onSearch, onClose }: EntrySheetProps) {
  const t = useMessages(messages);
  const { reason, changes } = changesIn(entry.reason);
  const subject = subjectOf(entry);
  const texts: Record<keyof typeof t.fields, string> = {
    actor: entry.actor || t.stranger,
    actor_id: entry.actor_id,
    action: entry.action,
    resource: entry.resource,
    decision: entry.decision,
    outcome: t.outcomes[entry.outcome as Outcome] ?? entry.outcome,
    reason,
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
        {changes.length > 0 && <Changes changes={changes} />}
        <div className="flex flex-wrap gap-2">
          {subject !== null && <LinkButton {...subject}>{t.openSubject}</LinkButton>}
          {entry.actor !== "" && <Button onClick={() => go({ actor: entry.actor })}>{t.allOf}</Button>}
          {entry.resource !== "" && (
            <Button onClick={() => go({ resource: entry.resource })}>{t.allOn}</Button>
          )}
        </div>
      </div>
    </Sheet>
  );
}

/** The fields that were changed, with what they were before. */
function Changes({ changes }: { changes: readonly RecordedChange[] }) {
  const t = useMessages(messages);
  return (
    <section aria-label={t.changed}>
      <h3 className="mb-1.5 text-sm font-medium">{t.changed}</h3>
      <table aria-label={t.changed} className="w-full table-fixed text-sm">
        <thead>
          <tr className="border-b border-line text-left text-xs text-muted">
            {[t.field, t.before, t.after].map((title) => (
              <th key={title} scope="col" className="py-1 pr-3 font-normal">
                {title}
              </th>
            ))}
          </tr>
        </thead>
        <tbody className="divide-y divide-line">
          {changes.map((change) => (
            <tr key={change.field} className="align-top">
              <th scope="row" className="py-1.5 pr-3 text-left font-mono text-xs font-normal break-words">
                {change.field}
              </th>
              <td className="py-1.5 pr-3 break-words text-bad">
                <del className="no-underline">{shown(change.before, t.nothing)}</del>
              </td>
              <td className="py-1.5 break-words text-ok">
                <ins className="no-underline">{shown(change.after, t.nothing)}</ins>
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}

function shown(value: string | null, nothing: string): string {
  return value === null || value === "" ? nothing : value;
}
