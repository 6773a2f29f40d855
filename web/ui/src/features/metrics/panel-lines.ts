import type { AnomaliesView, HistorySeries, MetricsHistoryView, NeedsView } from "@/api/openapi";
import type { ChartForecast, ChartLine } from "@/components/time-chart-data";
import { metricName } from "@/lib/metric-names";
import { alignedTo, restOf } from "@/lib/plot";
import type { TimeRange } from "@/lib/time-range";
import { metricsOf, type Panel } from "./panels";

/** What a panel's answers make: lines over the moments of the first of them. */

export interface PanelLines {
  timesMs: readonly number[];
  lines: ChartLine[];
  unit: string;
  top: number | null;
  leftOut: number;
}

interface Words {
  rest: string;
  before: (label: string) => string;
}

type Answers = readonly (MetricsHistoryView | undefined)[];

const NOTHING: readonly number[] = [];

/** `before` are the answers of the range before, if that is shown too; `shiftMs` is how much earlier they are. */
export function linesOf(
  panel: Panel,
  answers: Answers,
  words: Words,
  before: { answers: Answers; shiftMs: number } | null = null,
): PanelLines {
  const base = answers.find((answer) => answer !== undefined);
  const timesMs = base?.times_ms ?? NOTHING;
  const lines: ChartLine[] = [];
  let unit = "";
  let leftOut = 0;
  let top = panel.top ?? null;
  panel.asks.forEach((ask, place) => {
    const answer = answers[place];
    if (answer === undefined) return;
    if (ask.part === "limit") {
      const limit = Math.max(0, ...answer.series.map((each) => each.last ?? 0));
      if (limit > 0) top = limit;
      return;
    }
    if (ask.part === "total") {
      const [total] = answer.series;
      const isMore = lines.length > 0 && leftOut > 0;
      if (total !== undefined && isMore) {
        const values = alignedTo(timesMs, answer.times_ms, total.values, 0);
        lines.push({
          key: "rest",
          label: words.rest,
          values: restOf(
            values,
            lines.map((line) => line.values),
          ),
        });
      }
      return;
    }
    leftOut += answer.series_left_out;
    for (const series of answer.series) {
      unit ||= series.unit;
      lines.push(lineOf(panel, series, answer, timesMs, ask.label));
    }
  });
  if (before !== null) lines.push(...linesBefore(panel, lines, timesMs, before, words));
  return { timesMs, lines, unit, top, leftOut };
}

function lineOf(
  panel: Panel,
  series: HistorySeries,
  answer: MetricsHistoryView,
  timesMs: readonly number[],
  label: string | undefined,
): ChartLine {
  const isOwn = answer.times_ms === timesMs || answer.times_ms.length === 0;
  const onTimes = (values: readonly (number | null)[]) =>
    isOwn ? values : alignedTo(timesMs, answer.times_ms, values, 0);
  return {
    key: `${label ?? ""} ${series.metric} ${series.title} ${series.subject ?? ""}`,
    label: label ?? labelOf(panel, series),
    values: onTimes(series.values),
    low: series.low === null ? null : onTimes(series.low),
    high: series.high === null ? null : onTimes(series.high),
  };
}

function labelOf(panel: Panel, series: HistorySeries): string {
  if (panel.labelBy === "metric") return metricName(series.metric);
  if (panel.labelBy === "node") return series.labels.node ?? series.title;
  if (panel.labelBy === "service") return series.labels.service ?? series.title;
  const isOfOneHost = panel.asks.every(({ query }) => query.node !== undefined);
  return isOfOneHost ? (series.labels.subject ?? series.title) : series.title;
}

/** The same lines of the range before, of those that are still there. Of a stack that would be too much to read. */
function linesBefore(
  panel: Panel,
  lines: readonly ChartLine[],
  timesMs: readonly number[],
  { answers, shiftMs }: { answers: Answers; shiftMs: number },
  words: Words,
): ChartLine[] {
  if (panel.isStacked === true || lines.length > 3) return [];
  const earlier = linesOf(panel, answers, words);
  return lines.flatMap((line, place) => {
    const found = earlier.lines.find(({ key }) => key === line.key);
    if (found === undefined) return [];
    return [
      {
        key: `before ${line.key}`,
        label: words.before(line.label),
        values: alignedTo(timesMs, earlier.timesMs, found.values, shiftMs),
        color: place,
        isBefore: true,
      },
    ];
  });
}

/** The stretches in which something of this panel was unusual. */
export function bandsOf(
  panel: Panel,
  anomalies: AnomaliesView | undefined,
): { startMs: number; endMs: number; isBad: boolean }[] {
  const metrics = new Set(metricsOf(panel));
  const stretches = new Map<string, { startMs: number; endMs: number; isBad: boolean }>();
  for (const incident of anomalies?.incidents ?? []) {
    for (const anomaly of incident.anomalies) {
      if (!metrics.has(anomaly.metric)) continue;
      const isBad = anomaly.severity === "critical";
      const key = `${anomaly.at_ms} ${anomaly.until_ms}`;
      const known = stretches.get(key);
      if (known === undefined || (isBad && !known.isBad))
        stretches.set(key, { startMs: anomaly.at_ms, endMs: anomaly.until_ms, isBad });
    }
  }
  return [...stretches.values()].sort((one, other) => one.startMs - other.startMs);
}

const NEWEST_MAX_MS = 2 * 3_600_000;

/** How the first line goes on; null when nothing is known, or the range does not reach to the present. */
export function forecastOf(
  panel: PanelLines,
  needs: NeedsView | undefined,
  range: TimeRange,
  nowMs: number,
  label: string,
): ChartForecast | null {
  const path = needs?.needs[0]?.path;
  const [line] = panel.lines;
  if (path === undefined || line === undefined || path.times_ms.length === 0) return null;
  if (nowMs - range.endMs > NEWEST_MAX_MS) return null;
  return {
    key: line.key,
    label,
    timesMs: path.times_ms,
    expected: path.expected,
    low: path.low,
    high: path.high,
  };
}
