import { useMemo } from "react";
import { cn } from "@/lib/cn";
import { formatCount } from "@/lib/format";
import { useMessages } from "@/lib/i18n";
import { excerpt, lineDiff } from "./line-diff";
import { messages } from "./messages";

const MARKS = { same: " ", gone: "−", new: "+" } as const;

/** So many lines are shown; a config with more differences is read elsewhere. */
const LINES_MAX = 2_000;

/** What differs between two texts: lines that go and come, by mark and colour, with some around. */
export function TextDiff({ before, after, label }: { before: string; after: string; label: string }) {
  const t = useMessages(messages);
  const lines = useMemo(() => lineDiff(before, after), [before, after]);
  const count = (kind: "gone" | "new") => lines.filter((line) => line.kind === kind).length;
  if (before === after) return <p className="text-sm text-muted">{t.noDifference}</p>;
  const shown = excerpt(lines);
  return (
    <div className="flex flex-col gap-1.5">
      <p className="tabular text-xs text-muted">{t.difference(count("new"), count("gone"))}</p>
      <section
        aria-label={label}
        // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reached by the keyboard
        tabIndex={0}
        className="max-h-96 overflow-auto rounded-md border border-line font-mono text-xs leading-5"
      >
        <table className="min-w-full border-collapse">
          <caption className="sr-only">{label}</caption>
          <tbody>
            {shown.slice(0, LINES_MAX).map((line, index) =>
              line === null ? (
                <tr key={`gap ${index}`} className="bg-hover text-muted">
                  <td colSpan={4} className="px-2">
                    …
                  </td>
                </tr>
              ) : (
                <tr
                  key={`${line.before} ${line.after}`}
                  className={cn(
                    line.kind === "gone" && "bg-bad-soft text-bad",
                    line.kind === "new" && "bg-ok-soft text-ok",
                  )}
                >
                  <td className="tabular w-10 pr-2 pl-2 text-right select-none">{line.before}</td>
                  <td className="tabular w-10 pr-2 text-right select-none">{line.after}</td>
                  <td className="w-4 select-none">
                    <span aria-hidden>{MARKS[line.kind]}</span>
                    <span className="sr-only">{t.lineKinds[line.kind]}</span>
                  </td>
                  <td className="pr-2 whitespace-pre">{line.text}</td>
                </tr>
              ),
            )}
          </tbody>
        </table>
      </section>
      {shown.length > LINES_MAX && (
        <p className="text-xs text-muted">{t.moreLines(formatCount(shown.length - LINES_MAX))}</p>
      )}
    </div>
  );
}
