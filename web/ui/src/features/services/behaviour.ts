import type { ArmView, BehaviourView } from "@/api/openapi";

/** A value with its interval, as shares of one scale from 0 to 1. */
export interface Whisker {
  value: number;
  low: number;
  high: number;
}

export interface MeasuredRow {
  key: "failureRate" | "p50" | "p95" | "p99";
  old: Interval | null;
  new: Interval | null;
  oldBar: Whisker | null;
  newBar: Whisker | null;
}

export interface Interval {
  value: number;
  low: number;
  high: number;
}

/** Both revisions, row by row, drawn to one scale per row: intervals that do not overlap are seen not to. */
export function rowsOf({ old, new: fresh }: Pick<BehaviourView, "old" | "new">): MeasuredRow[] {
  return (["failureRate", "p50", "p95", "p99"] as const).flatMap((key) => {
    const before = intervalOf(old, key);
    const after = intervalOf(fresh, key);
    if (before === null && after === null) return [];
    const top = Math.max(before?.high ?? 0, after?.high ?? 0);
    return [{ key, old: before, new: after, oldBar: scaled(before, top), newBar: scaled(after, top) }];
  });
}

function intervalOf(arm: ArmView, key: MeasuredRow["key"]): Interval | null {
  if (key === "failureRate") return arm.failures;
  const measured = arm[key];
  return measured === null
    ? null
    : { value: measured.value_ms, low: measured.low_ms, high: measured.high_ms };
}

function scaled(interval: Interval | null, top: number): Whisker | null {
  if (interval === null) return null;
  const share = (value: number) => (top <= 0 ? 0 : Math.min(1, Math.max(0, value / top)));
  return { value: share(interval.value), low: share(interval.low), high: share(interval.high) };
}

export type Verdict = "worse" | "better" | "undecided";

/** What the interval of the difference of failures shows: only one that does not reach zero shows anything. */
export function differenceOf(behaviour: Pick<BehaviourView, "difference_low" | "difference_high">): Verdict {
  if (behaviour.difference_low > 0) return "worse";
  return behaviour.difference_high < 0 ? "better" : "undecided";
}
