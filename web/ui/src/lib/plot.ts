/** What is done to series before they are drawn or read out. A gap is null, and stays one. */

export type Values = readonly (number | null)[];

/**
 * Each series on top of those before it. Where one of them has a gap it counts as nothing; where all have, there is
 * a gap.
 */
export function stackedUp(series: readonly Values[]): (number | null)[][] {
  const length = Math.max(0, ...series.map((values) => values.length));
  const floor = new Array<number>(length).fill(0);
  const isKnown = Array.from({ length }, (_, index) => series.some((values) => values[index] != null));
  return series.map((values) =>
    Array.from({ length }, (_, index) => {
      if (!isKnown[index]) return null;
      floor[index] = (floor[index] ?? 0) + (values[index] ?? 0);
      return floor[index] ?? null;
    }),
  );
}

/** What is left of a total beside some of its parts; never below zero, since they are not measured at one instant. */
export function restOf(total: Values, parts: readonly Values[]): (number | null)[] {
  return total.map((value, index) => {
    if (value === null) return null;
    const known = parts.reduce((sum, part) => sum + (part[index] ?? 0), 0);
    return Math.max(0, value - known);
  });
}

/** What a logarithm can show. */
export function positiveOnly(values: Values): (number | null)[] {
  return values.map((value) => (value !== null && value > 0 ? value : null));
}

export interface Extent {
  least: number;
  most: number;
}

/** The smallest and largest value of several series; null when there is none. */
export function extentOf(series: readonly Values[]): Extent | null {
  let least = Number.POSITIVE_INFINITY;
  let most = Number.NEGATIVE_INFINITY;
  for (const values of series) {
    for (const value of values) {
      if (value === null) continue;
      if (value < least) least = value;
      if (value > most) most = value;
    }
  }
  return least <= most ? { least, most } : null;
}

/** The last value there is. */
export function lastOf(values: Values): number | null {
  return values.findLast((value) => value !== null) ?? null;
}

/**
 * The values of another time on these moments: the nearest that is less than half a step away. `shiftMs` is added to
 * the other times first.
 */
export function alignedTo(
  timesMs: readonly number[],
  otherMs: readonly number[],
  values: Values,
  shiftMs: number,
): (number | null)[] {
  const step = Math.max(stepOf(timesMs), stepOf(otherMs));
  let at = 0;
  return timesMs.map((time) => {
    while (
      at + 1 < otherMs.length &&
      distance(otherMs, at + 1, shiftMs, time) <= distance(otherMs, at, shiftMs, time)
    )
      at += 1;
    return distance(otherMs, at, shiftMs, time) <= step / 2 ? (values[at] ?? null) : null;
  });
}

function distance(times: readonly number[], index: number, shiftMs: number, time: number): number {
  const at = times[index];
  return at === undefined ? Number.POSITIVE_INFINITY : Math.abs(at + shiftMs - time);
}

/** The length of a step; steps are even. 0 for less than two moments. */
export function stepOf(timesMs: readonly number[]): number {
  const [first, second] = timesMs;
  return first === undefined || second === undefined ? 0 : second - first;
}

export interface Cluster<Item> {
  /** From the left edge, in pixels. */
  x: number;
  items: Item[];
}

/** Things that happened, as marks that do not cover each other: what is nearer than `apart` pixels becomes one. */
export function clustered<Item extends { atMs: number }>(
  items: readonly Item[],
  xOf: (atMs: number) => number,
  width: number,
  apart: number,
): Cluster<Item>[] {
  const clusters: Cluster<Item>[] = [];
  for (const item of [...items].sort((one, other) => one.atMs - other.atMs)) {
    const x = xOf(item.atMs);
    if (x < 0 || x > width) continue;
    const last = clusters.at(-1);
    if (last !== undefined && x - last.x < apart) last.items.push(item);
    else clusters.push({ x, items: [item] });
  }
  return clusters;
}

/** A round number at or above `value`, of which halves and quarters are round, too. */
export function roundTop(value: number, base: 10 | 1024): number {
  if (value <= 0) return 1;
  if (base === 1024) {
    const unit = 1024 ** Math.floor(Math.log2(value) / 10);
    const within = value / unit;
    const power = 2 ** Math.ceil(Math.log2(within));
    const top = [0.625, 0.75, 1].map((share) => share * power).find((each) => each >= within) ?? power;
    return top * unit;
  }
  const unit = 10 ** Math.floor(Math.log10(value));
  const within = value / unit;
  return ([1, 1.2, 1.6, 2, 2.4, 3, 4, 5, 6, 8].find((each) => each >= within - 1e-9) ?? 10) * unit;
}
