import type { FindingView } from "@/api/openapi";
import { Sentence } from "@/components/sentence";
import { StatusMark } from "@/components/ui/badge";
import { useMessages } from "@/lib/i18n";
import { inOrder } from "./findings";
import { messages } from "./messages";

interface FindingsListProps {
  findings: readonly FindingView[];
  /** Leads to a line of the file. */
  onLine?: (line: number) => void;
}

/** What was found, errors first, with what to do about it and where it is. */
export function FindingsList({ findings, onLine }: FindingsListProps) {
  const t = useMessages(messages);
  return (
    <ul className="flex flex-col divide-y divide-line text-sm">
      {inOrder(findings).map((finding) => (
        <li
          key={`${finding.check} ${finding.field} ${finding.line} ${finding.service} ${finding.rule}`}
          className="flex items-baseline gap-2.5 py-2"
        >
          <StatusMark tone={finding.level === "error" ? "bad" : "warn"} />
          <div className="min-w-0 flex-1">
            <p className="break-words">
              <span className="sr-only">{finding.level === "error" ? t.error : t.warning}: </span>
              {subjectOf(finding) !== "" && <span className="font-medium">{subjectOf(finding)} </span>}
              <Sentence text={finding.rule} isCapital />
            </p>
            {finding.hint !== "" && (
              <p className="text-xs break-words text-muted">
                <Sentence text={finding.hint} isCapital />
              </p>
            )}
          </div>
          <Place finding={finding} onLine={onLine} />
        </li>
      ))}
    </ul>
  );
}

function Place({ finding, onLine }: { finding: FindingView; onLine: ((line: number) => void) | undefined }) {
  const t = useMessages(messages);
  const { line } = finding;
  if (line == null) return null;
  if (onLine === undefined)
    return <span className="tabular shrink-0 text-xs text-muted">{t.line(line)}</span>;
  return (
    <button
      type="button"
      aria-label={t.goTo(line)}
      onClick={() => onLine(line)}
      className="tabular min-h-6 shrink-0 text-xs font-medium text-accent hover:underline"
    >
      {t.line(line)}
    </button>
  );
}

function subjectOf({ service, field, check }: FindingView): string {
  if (service !== "") return service;
  return field === "compose" || field === "" ? (check === "file" ? "" : check) : field;
}
