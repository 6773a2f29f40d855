import { extentOf, positiveOnly, roundTop, stackedUp, type Values } from "@/lib/plot";

/** One line of a chart, over the chart's moments. */
export interface ChartLine {
  key: string;
  label: string;
  values: Values;
  /** The smallest and largest value of each step, drawn behind the line. */
  low?: Values | null;
  high?: Values | null;
  /** Of the eight colours of series, from 0; without it by its place. */
  color?: number;
  /** Of the time before: dashed, and not part of a stack. */
  isBefore?: boolean;
}

/** What is expected of one line later on; 9 of 10 values lie between low and high, where those are known. */
export interface ChartForecast {
  key: string;
  label: string;
  timesMs: readonly number[];
  expected: Values;
  low: Values;
  high: Values;
}

/** A line that is drawn: of which series, and what it stands for. */
export interface Column {
  part: "line" | "low" | "high" | "forecast" | "forecast-low" | "forecast-high";
  key: string;
  color: number;
  isBefore: boolean;
}

/** What lies between two columns, by their places from 1: place 0 is time. */
export interface Fill {
  upper: number;
  lower: number;
  color: number;
  strength: "band" | "stack";
}

export interface Drawing {
  /** First the moments in seconds, then each column. */
  data: (number | null)[][];
  columns: Column[];
  fills: Fill[];
}

const COLORS = 8;

/** Which colour each line has: its own, or that of its place among those that have none. */
export function colorsOf(lines: readonly ChartLine[]): Map<string, number> {
  return new Map(lines.map((line, place) => [line.key, (line.color ?? place) % COLORS]));
}

interface Wish {
  timesMs: readonly number[];
  lines: readonly ChartLine[];
  forecast: ChartForecast | null;
  hidden: ReadonlySet<string>;
  isStacked: boolean;
  isLog: boolean;
}

/** The columns to draw. The moments of a forecast follow those that were measured. */
export function drawingOf({ timesMs, lines, forecast, hidden, isStacked, isLog }: Wish): Drawing {
  const colors = colorsOf(lines);
  const shown = lines.filter((line) => !hidden.has(line.key));
  const lastMs = timesMs.at(-1) ?? Number.NEGATIVE_INFINITY;
  const ahead = forecast !== null && !hidden.has(forecast.key) ? forecast : null;
  const from = ahead === null ? 0 : ahead.timesMs.findIndex((time) => time > lastMs);
  const laterMs = ahead === null || from < 0 ? [] : ahead.timesMs.slice(from);
  const drawing: Drawing = {
    data: [[...timesMs, ...laterMs].map((time) => time / 1000)],
    columns: [],
    fills: [],
  };
  const gapBefore = timesMs.map(() => null);
  const gapAfter = laterMs.map(() => null);
  const add = (part: Column["part"], line: { key: string; isBefore?: boolean }, values: Values): number => {
    drawing.data.push(isLog ? positiveOnly(values) : [...values]);
    const color = colors.get(line.key) ?? 0;
    drawing.columns.push({ part, key: line.key, color, isBefore: line.isBefore === true });
    return drawing.columns.length;
  };
  const stacked = isStacked ? shown.filter((line) => line.isBefore !== true) : [];
  const tops = stackedUp(stacked.map((line) => line.values));
  stacked.forEach((line, index) => {
    const upper = add("line", line, [...(tops[index] ?? []), ...gapAfter]);
    drawing.fills.push({
      upper,
      lower: index === 0 ? 0 : upper - 1,
      color: colors.get(line.key) ?? 0,
      strength: "stack",
    });
  });
  for (const line of shown) {
    if (stacked.includes(line)) continue;
    if (line.low && line.high && line.isBefore !== true) {
      const lower = add("low", line, [...line.low, ...gapAfter]);
      const upper = add("high", line, [...line.high, ...gapAfter]);
      drawing.fills.push({ upper, lower, color: colors.get(line.key) ?? 0, strength: "band" });
    }
    add("line", line, [...line.values, ...gapAfter]);
  }
  if (ahead !== null && laterMs.length > 0) {
    const later = (values: Values) => [
      ...gapBefore,
      ...laterMs.map((_, index) => values[from + index] ?? null),
    ];
    if (ahead.low.length > 0 && ahead.high.length > 0) {
      const lower = add("forecast-low", ahead, later(ahead.low));
      const upper = add("forecast-high", ahead, later(ahead.high));
      drawing.fills.push({ upper, lower, color: colors.get(ahead.key) ?? 0, strength: "band" });
    }
    add("forecast", ahead, later(ahead.expected));
  }
  return drawing;
}

/**
 * From where to where the values' axis goes. Without a logarithm it begins at nothing, or below when values do;
 * `top` is a limit that is shown when values come near it or it was asked for.
 */
export function scaleOf(
  drawing: Drawing,
  { top, isLog, base }: { top: number | null; isLog: boolean; base: 10 | 1024 },
): [number, number] {
  const extent = extentOf(drawing.data.slice(1));
  if (isLog) {
    if (extent === null) return [1, 10];
    const least = 10 ** Math.floor(Math.log10(extent.least));
    const most = 10 ** Math.ceil(Math.log10(extent.most));
    return [least, most > least ? most : least * 10];
  }
  const most = extent?.most ?? 0;
  const least = Math.min(0, extent?.least ?? 0);
  if (top !== null && most <= top) return [least, top];
  return [
    least === 0 ? 0 : -roundTop(-least, base),
    most <= 0 ? (least === 0 ? 1 : 0) : roundTop(most, base),
  ];
}
