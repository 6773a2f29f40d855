import { cn } from "@/lib/cn";
import { useMessages } from "@/lib/i18n";
import type { Values } from "@/lib/plot";
import { messages } from "./time-chart-messages";

/** The colours of series as classes, which the style sheet must name in full to have. */
export const STROKES = [
  "text-series-1",
  "text-series-2",
  "text-series-3",
  "text-series-4",
  "text-series-5",
  "text-series-6",
  "text-series-7",
  "text-series-8",
] as const;

export interface LegendEntry {
  key: string;
  label: string;
  color: number;
  isDashed: boolean;
  values: Values;
}

interface LegendProps {
  entries: readonly LegendEntry[];
  hidden: ReadonlySet<string>;
  /** The place of the moment under the cursor; null: the newest value of each. */
  index: number | null;
  format: (value: number | null) => string;
  onToggle: (key: string, isAlone: boolean) => void;
}

/** What each line is, with its value; a press hides a line or shows it alone. */
export function Legend({ entries, hidden, index, format, onToggle }: LegendProps) {
  const t = useMessages(messages);
  return (
    <ul className="mt-1 flex min-h-6 flex-wrap gap-x-1">
      {entries.map((entry) => {
        const isHidden = hidden.has(entry.key);
        const value =
          index === null
            ? (entry.values.findLast((each) => each !== null) ?? null)
            : (entry.values[index] ?? null);
        return (
          <li key={entry.key} className="min-w-0">
            <button
              type="button"
              aria-pressed={!isHidden}
              title={t.legendHint}
              onClick={(event) => onToggle(entry.key, event.shiftKey || event.detail === 2)}
              className={cn(
                "flex h-6 max-w-full items-center gap-1.5 rounded px-1.5 text-xs hover:bg-hover pointer-coarse:h-8",
                isHidden && "text-muted line-through",
              )}
            >
              <Swatch color={entry.color} isDashed={entry.isDashed} isHidden={isHidden} />
              <span className="min-w-0 truncate">{entry.label}</span>
              <span className="tabular min-w-14 text-left whitespace-nowrap text-muted">
                {isHidden ? "" : format(value)}
              </span>
            </button>
          </li>
        );
      })}
    </ul>
  );
}

function Swatch({ color, isDashed, isHidden }: { color: number; isDashed: boolean; isHidden: boolean }) {
  return (
    <svg
      viewBox="0 0 14 4"
      aria-hidden
      className={cn("h-1 w-3.5 shrink-0", isHidden ? "text-line-strong" : STROKES[color])}
    >
      <line
        x1="0"
        x2="14"
        y1="2"
        y2="2"
        stroke="currentColor"
        strokeWidth="4"
        strokeDasharray={isDashed ? "3 2.5" : undefined}
      />
    </svg>
  );
}
