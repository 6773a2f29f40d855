import { flagIn, oneIn, textIn } from "@/components/page-search";
import { PRESETS, type Preset, SPAN_MIN_MS, spanOf, type TimeRange } from "@/lib/time-range";

/** The part of the explorer's address after the `?`. What is as usual is left out. */
export interface MetricsSearch {
  /** What is shown; see `subjects.ts`. */
  of?: string | undefined;
  range?: Preset | undefined;
  /** Instead of a range up to now. */
  from?: number | undefined;
  to?: number | undefined;
  compare?: true | undefined;
  forecast?: true | undefined;
  anomalies?: false | undefined;
  events?: false | undefined;
  drag?: "select" | undefined;
  /** The stretch of which it is asked what else moved. */
  selFrom?: number | undefined;
  selTo?: number | undefined;
  /** The chart it was chosen on. */
  on?: string | undefined;
}

export const PRESET_USUAL: Preset = "1h";

export function parseSearch(raw: Record<string, unknown>): MetricsSearch {
  const [from, to] = pair(raw.from, raw.to);
  const [selFrom, selTo] = pair(raw.selFrom, raw.selTo, 1_000);
  return {
    of: textIn(raw.of),
    range: oneIn(PRESETS, raw.range),
    from,
    to,
    compare: flagIn(raw.compare),
    forecast: flagIn(raw.forecast),
    anomalies: raw.anomalies === false ? false : undefined,
    events: raw.events === false ? false : undefined,
    drag: raw.drag === "select" ? "select" : undefined,
    selFrom,
    selTo,
    on: textIn(raw.on),
  };
}

/** Two moments, the second after the first; otherwise none. */
function pair(one: unknown, other: unknown, apart = SPAN_MIN_MS): [number, number] | [undefined, undefined] {
  if (typeof one !== "number" || typeof other !== "number") return [undefined, undefined];
  const isRange =
    Number.isSafeInteger(one) && Number.isSafeInteger(other) && one >= 0 && other - one >= apart;
  return isRange ? [one, other] : [undefined, undefined];
}

/** Which stretch is shown at `nowMs`. It moves on in steps, so that not every second asks anew. */
export function rangeOf(search: MetricsSearch, nowMs: number): TimeRange {
  if (search.from !== undefined && search.to !== undefined) return { startMs: search.from, endMs: search.to };
  const span = spanOf(search.range ?? PRESET_USUAL);
  const step = tickOf(search);
  const endMs = nowMs - (nowMs % step);
  return { startMs: endMs - span, endMs };
}

/** How often a live range moves on. */
export function tickOf(search: MetricsSearch): number {
  const span = spanOf(search.range ?? PRESET_USUAL);
  if (span <= 10 * 60_000) return 5_000;
  return span <= 6 * 3_600_000 ? 10_000 : span <= 24 * 3_600_000 ? 60_000 : 300_000;
}

export function isLive(search: MetricsSearch): boolean {
  return search.from === undefined;
}

export function selectionOf(search: MetricsSearch): TimeRange | null {
  return search.selFrom === undefined || search.selTo === undefined
    ? null
    : { startMs: search.selFrom, endMs: search.selTo };
}
