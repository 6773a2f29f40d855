/** Stretches of time that a page shows, and what zooming and moving makes of them. */

export interface TimeRange {
  startMs: number;
  endMs: number;
}

export const PRESETS = ["1m", "10m", "1h", "6h", "24h", "7d", "30d", "1y"] as const;
export type Preset = (typeof PRESETS)[number];

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;

const SPANS: Record<Preset, number> = {
  "1m": MINUTE_MS,
  "10m": 10 * MINUTE_MS,
  "1h": HOUR_MS,
  "6h": 6 * HOUR_MS,
  "24h": DAY_MS,
  "7d": 7 * DAY_MS,
  "30d": 30 * DAY_MS,
  "1y": 365 * DAY_MS,
};

/** Nothing is measured more often than every ten seconds: less than this shows nothing. */
export const SPAN_MIN_MS = MINUTE_MS;
export const SPAN_MAX_MS = 800 * DAY_MS;

export function spanOf(preset: Preset): number {
  return SPANS[preset];
}

export function lengthOf(range: TimeRange): number {
  return range.endMs - range.startMs;
}

/** As long as before where that is possible, not shorter than a minute, and not beyond `latestMs`. */
export function bounded(range: TimeRange, latestMs: number): TimeRange {
  const length = Math.min(SPAN_MAX_MS, Math.max(SPAN_MIN_MS, lengthOf(range)));
  const middle = (range.startMs + range.endMs) / 2;
  const endMs = Math.round(Math.min(latestMs, middle + length / 2));
  return { startMs: Math.max(0, endMs - Math.round(length)), endMs };
}

/** `factor` times as long, with `aroundMs` where it was; below 1 is closer. */
export function zoomed(range: TimeRange, factor: number, aroundMs: number, latestMs: number): TimeRange {
  const around = Math.min(range.endMs, Math.max(range.startMs, aroundMs));
  return bounded(
    {
      startMs: around - (around - range.startMs) * factor,
      endMs: around + (range.endMs - around) * factor,
    },
    latestMs,
  );
}

/** Moved by a share of its length; negative is back in time. */
export function panned(range: TimeRange, share: number, latestMs: number): TimeRange {
  const by = lengthOf(range) * share;
  return bounded({ startMs: range.startMs + by, endMs: range.endMs + by }, latestMs);
}

/** The stretch just before it that is as long. */
export function rangeBefore(range: TimeRange): TimeRange {
  return { startMs: range.startMs - lengthOf(range), endMs: range.startMs };
}

/** The moments of a drag, whichever way it went; null for one that is too short to mean a stretch. */
export function dragged(oneMs: number, otherMs: number): TimeRange | null {
  const range = {
    startMs: Math.round(Math.min(oneMs, otherMs)),
    endMs: Math.round(Math.max(oneMs, otherMs)),
  };
  return lengthOf(range) < 1_000 ? null : range;
}
