import { useQuery } from "@tanstack/react-query";
import { useMemo } from "react";
import type { LogHistogramView } from "@/api/openapi";
import { Select } from "@/components/ui/field";
import { cn } from "@/lib/cn";
import { formatClock, formatMoment } from "@/lib/format";
import { useMessages } from "@/lib/i18n";
import { LEVEL_FILL } from "./colours";
import { LEVELS, type Level } from "./entries";
import { type Choice, readHistogram } from "./log-source";
import { SPANS, type Span } from "./logs-search";
import { messages } from "./messages";

const STEPS = 90;
const REFRESH_MS = 15_000;
const HEIGHT = 40;

interface HistogramProps {
  choice: Choice;
  span: Span;
  onSpan: (span: Span) => void;
  onJump: (atUs: number) => void;
}

/** How many lines there are over time, by level; a bar leads to its lines. */
export function Histogram({ choice, span, onSpan, onJump }: HistogramProps) {
  const t = useMessages(messages);
  const { data } = useQuery({
    queryKey: ["log-histogram", choice, span],
    queryFn: ({ signal }) => readHistogram(choice, span, STEPS, signal),
    refetchInterval: REFRESH_MS,
    placeholderData: (before) => before,
  });
  return (
    <div className="flex items-end gap-3 border-b border-line px-3 py-2">
      <div className="h-11 min-w-0 flex-1">{data !== undefined && <Bars data={data} onJump={onJump} />}</div>
      <Select
        aria-label={t.spanLabel}
        className="w-24"
        value={span}
        onChange={(event) => onSpan(event.currentTarget.value as Span)}
      >
        {SPANS.map((each) => (
          <option key={each} value={each}>
            {t.span[each]}
          </option>
        ))}
      </Select>
    </div>
  );
}

interface Bar {
  startMs: number;
  total: number;
  errors: number;
  parts: { level: Level; from: number; to: number }[];
}

/** The gravest at the bottom, where they are seen best. */
function barsOf(data: LogHistogramView): { bars: Bar[]; most: number } {
  const bars = data.counts.map((counts, step) => {
    let at = 0;
    const parts = LEVELS.map((level) => {
      const lines = counts[data.levels.indexOf(level)] ?? 0;
      const from = at;
      at += lines;
      return { level, from, to: at };
    }).filter((part) => part.to > part.from);
    const of = (level: Level) => counts[data.levels.indexOf(level)] ?? 0;
    return {
      startMs: data.start_ms + step * data.step_ms,
      total: at,
      errors: of("error") + of("fatal"),
      parts,
    };
  });
  return { bars, most: Math.max(1, ...bars.map((bar) => bar.total)) };
}

function Bars({ data, onJump }: { data: LogHistogramView; onJump: (atUs: number) => void }) {
  const t = useMessages(messages);
  const { bars, most } = useMemo(() => barsOf(data), [data]);
  const isLong = data.step_ms * data.counts.length > 86_400_000;
  const timeOf = isLong ? formatMoment : formatClock;
  // A square root, so that a few errors beside thousands of lines are still to be seen.
  const y = (lines: number) => Math.sqrt(lines / most) * (HEIGHT - 2);
  return (
    <fieldset className="flex h-full items-end gap-px" aria-label={t.histogram}>
      <legend className="sr-only">
        {t.histogramOf(formatMoment(data.start_ms), formatMoment(data.start_ms + data.step_ms * bars.length))}
      </legend>
      {bars.map((bar) => (
        <button
          key={bar.startMs}
          type="button"
          // One stop for the keyboard: the field for a time reaches every moment.
          tabIndex={-1}
          aria-label={t.bar(timeOf(bar.startMs), bar.total, bar.errors)}
          title={t.bar(timeOf(bar.startMs), bar.total, bar.errors)}
          disabled={bar.total === 0}
          onClick={() => onJump(bar.startMs * 1_000)}
          className="group h-full min-w-0 flex-1 hover:bg-hover disabled:cursor-default"
        >
          <svg aria-hidden viewBox={`0 0 10 ${HEIGHT}`} preserveAspectRatio="none" className="size-full">
            <rect x="0" y={HEIGHT - 1} width="10" height="1" className="fill-line" />
            {bar.parts.map((part) => (
              <rect
                key={part.level}
                x="0.5"
                width="9"
                y={HEIGHT - y(part.to)}
                height={Math.max(1, y(part.to) - y(part.from))}
                className={cn(LEVEL_FILL[part.level], "group-hover:opacity-80")}
              />
            ))}
          </svg>
        </button>
      ))}
    </fieldset>
  );
}
