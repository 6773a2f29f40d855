import type { BehaviourView } from "@/api/openapi";
import { StatusMark } from "@/components/ui/badge";
import { cn } from "@/lib/cn";
import { formatCount, UNKNOWN } from "@/lib/format";
import { useMessages } from "@/lib/i18n";
import { differenceOf, type Interval, type MeasuredRow, rowsOf, type Whisker } from "./behaviour";
import { formatMs, formatRate } from "./measures";
import { pageMessages } from "./page-messages";

const TONES = { worse: "bad", better: "ok", undecided: "neutral" } as const;

/** Two revisions over the same time, behind the same routers: each number with its interval. */
export function BehaviourTable({ behaviour }: { behaviour: BehaviourView }) {
  const t = useMessages(pageMessages);
  const { old, new: fresh } = behaviour;
  const verdict = differenceOf(behaviour);
  const by = `${formatRate(Math.abs(behaviour.difference))} (${t.interval(
    formatRate(behaviour.difference_low),
    formatRate(behaviour.difference_high),
  )})`;
  const words = verdict === "undecided" ? t.differenceWords.undecided : t.differenceWords[verdict](by);
  return (
    <div className="flex flex-col gap-3">
      <p className="flex items-baseline gap-2 text-sm">
        <StatusMark tone={TONES[verdict]} />
        <span className="tabular">
          {words}
          {verdict === "undecided" && <span className="text-muted"> {by}</span>}
        </span>
      </p>
      <table aria-label={t.behaviourTable} className="tabular w-full table-fixed text-sm">
        <thead>
          <tr className="text-left text-xs text-muted">
            <th scope="col" className="py-1.5 pr-4 font-medium">
              {t.metric}
            </th>
            <th scope="col" className="w-[38%] py-1.5 pr-4 font-medium">
              {t.old(old.revision)}
            </th>
            <th scope="col" className="w-[38%] py-1.5 font-medium">
              {t.new(fresh.revision)}
            </th>
          </tr>
        </thead>
        <tbody className="divide-y divide-line border-t border-line">
          <Counts label={t.requests} old={old.requests} fresh={fresh.requests} />
          {rowsOf(behaviour).map((row) => (
            <Measured key={row.key} row={row} />
          ))}
          <Counts label={t.lost} old={old.lost} fresh={fresh.lost} isBad />
          <Counts label={t.retried} old={old.retried} fresh={fresh.retried} />
        </tbody>
      </table>
      <p className="text-xs text-muted">{t.intervalNote}</p>
    </div>
  );
}

function Counts({
  label,
  old,
  fresh,
  isBad = false,
}: {
  label: string;
  old: number;
  fresh: number;
  isBad?: boolean;
}) {
  return (
    <tr>
      <th scope="row" className="py-1.5 pr-2 text-left font-normal break-words text-muted">
        {label}
      </th>
      <td className="py-1.5 pr-4">{formatCount(old)}</td>
      <td className={cn("py-1.5", isBad && fresh > old && "text-bad")}>{formatCount(fresh)}</td>
    </tr>
  );
}

function Measured({ row }: { row: MeasuredRow }) {
  const t = useMessages(pageMessages);
  const format = row.key === "failureRate" ? formatRate : formatMs;
  return (
    <tr>
      <th scope="row" className="py-1.5 pr-2 text-left align-top font-normal break-words text-muted">
        {t[row.key]}
      </th>
      <td className="py-1.5 pr-4">
        <Value interval={row.old} bar={row.oldBar} format={format} className="text-muted" />
      </td>
      <td className="py-1.5">
        <Value interval={row.new} bar={row.newBar} format={format} className="text-accent" />
      </td>
    </tr>
  );
}

function Value({
  interval,
  bar,
  format,
  className,
}: {
  interval: Interval | null;
  bar: Whisker | null;
  format: (value: number) => string;
  className: string;
}) {
  const t = useMessages(pageMessages);
  if (interval === null || bar === null) return <span className="text-muted">{UNKNOWN}</span>;
  return (
    <div className="flex flex-col gap-1">
      <span>
        {format(interval.value)}{" "}
        <span className="inline-block text-xs text-muted">
          {t.interval(format(interval.low), format(interval.high))}
        </span>
      </span>
      <Bar bar={bar} className={className} />
    </div>
  );
}

/** An interval and its value on a scale from zero; the numbers beside it say the same. */
function Bar({ bar, className }: { bar: Whisker; className: string }) {
  const x = (share: number) => 1 + share * 98;
  return (
    <svg aria-hidden viewBox="0 0 100 8" preserveAspectRatio="none" className={cn("h-2 w-full", className)}>
      <line x1="1" x2="99" y1="4" y2="4" className="stroke-line" vectorEffect="non-scaling-stroke" />
      <rect
        x={x(bar.low)}
        width={Math.max(0.6, x(bar.high) - x(bar.low))}
        y="2"
        height="4"
        rx="0.6"
        fill="currentColor"
        opacity="0.35"
      />
      <rect x={x(bar.value) - 0.35} width="0.7" y="0" height="8" fill="currentColor" />
    </svg>
  );
}
