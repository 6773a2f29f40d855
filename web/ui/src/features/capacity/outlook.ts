import type { ExhaustionView, FullView, TrendView } from "@/api/openapi";
import type { ChartForecast } from "@/components/time-chart-data";

/** How a resource will be used up, in the units people think in, and as a cone on a chart. */

const DAY_MS = 86_400_000;
const DAYS_OF_MONTH = 30.44;

/** Days up to two months, months beyond: nobody knows a day a year ahead. */
export function roundedSpan(days: number): { unit: "days" | "months"; count: number } {
  if (days < 60) return { unit: "days", count: Math.max(0, Math.round(days)) };
  return { unit: "months", count: Math.round(days / DAYS_OF_MONTH) };
}

/** Whether soonest and latest say something that the expected day does not. */
export function isSpread({ days, soonest_days, latest_days }: ExhaustionView): boolean {
  if (days === null || soonest_days === null) return false;
  return latest_days === null || latest_days - soonest_days > Math.max(1, 0.1 * days);
}

export function isFilling({ outlook }: ExhaustionView): boolean {
  return outlook === "filling" || outlook === "full";
}

/** How soon somebody has to do something. */
export function toneOf(exhaustion: ExhaustionView): "bad" | "warn" | "neutral" {
  if (exhaustion.outlook === "full") return "bad";
  if (exhaustion.outlook !== "filling" || exhaustion.days === null) return "neutral";
  return exhaustion.days <= 7 ? "bad" : exhaustion.days <= 45 ? "warn" : "neutral";
}

export const keyOf = (full: FullView): string => `${full.subject} ${full.metric}`;

/**
 * The cone from the newest level over a week and a month, on the chart's own steps; none where nothing could be
 * concluded. What cannot be more than its limit stays there.
 */
export function coneOf(
  trend: TrendView,
  key: string,
  label: string,
  last: { atMs: number; value: number | null },
): ChartForecast | null {
  const { level, next_week, next_month, exhaustion } = trend;
  const now = last.value ?? level;
  if (now === null || (next_week === null && next_month === null)) return null;
  const points = [
    { days: 0, expected: now, low: now, high: now },
    ...[next_week, next_month]
      .filter((each) => each !== null)
      .map((each) => ({
        days: each.days_ahead,
        expected: each.expected,
        low: each.low ?? each.expected,
        high: each.high ?? each.expected,
      })),
  ];
  const days = points.at(-1)?.days ?? 0;
  const timesMs: number[] = [];
  const values = { expected: [] as number[], low: [] as number[], high: [] as number[] };
  for (let day = 0; day <= days; day += 1) {
    // The first lies just behind the newest value, so that the lines meet.
    timesMs.push(last.atMs + Math.max(1_000, day * DAY_MS));
    for (const part of ["expected", "low", "high"] as const) values[part].push(between(points, day, part));
  }
  const cap = exhaustion.limit ?? Number.POSITIVE_INFINITY;
  const capped = (of: readonly number[]) => of.map((value) => Math.min(cap, value));
  return {
    key,
    label,
    timesMs,
    expected: capped(values.expected),
    low: capped(values.low),
    high: capped(values.high),
  };
}

interface Point {
  days: number;
  expected: number;
  low: number;
  high: number;
}

function between(points: readonly Point[], day: number, part: "expected" | "low" | "high"): number {
  const after = points.findIndex(({ days }) => days > day);
  const to = points[after];
  const from = points[after - 1];
  if (to === undefined || from === undefined) return points.at(-1)?.[part] ?? 0;
  const share = (day - from.days) / (to.days - from.days);
  return from[part] + share * (to[part] - from[part]);
}
