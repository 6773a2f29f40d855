import { expect, test } from "vitest";
import type { ArmView } from "@/api/openapi";
import { differenceOf, rowsOf } from "./behaviour";

const arm = (low: number, value: number, high: number, p95: [number, number, number] | null): ArmView => ({
  revision: 1,
  requests: 100,
  failures: { count: 1, total: 100, value, low, high },
  lost: 0,
  retried: 0,
  p50: null,
  p95: p95 === null ? null : { low_ms: p95[0], value_ms: p95[1], high_ms: p95[2] },
  p99: null,
});

test("both revisions are drawn to one scale, whose top is the higher end", () => {
  const old = arm(0, 0.25, 0.5, [10, 20, 50]);
  const [failures, latency] = rowsOf({ old, new: arm(0.25, 0.5, 1, [20, 40, 100]) });
  expect(failures?.newBar).toEqual({ low: 0.25, value: 0.5, high: 1 });
  expect(failures?.oldBar?.high).toBe(0.5);
  expect(latency).toMatchObject({ key: "p95", oldBar: { low: 0.1, value: 0.2, high: 0.5 } });
});

test("what neither has is left out, and what one lacks stays empty", () => {
  const rows = rowsOf({ old: arm(0, 0, 0, null), new: arm(0, 0, 0, [1, 2, 3]) });
  expect(rows.map(({ key }) => key)).toEqual(["failureRate", "p95"]);
  expect(rows[1]).toMatchObject({ old: null, oldBar: null });
});

test("no failures at all are drawn as none", () => {
  expect(rowsOf({ old: arm(0, 0, 0, null), new: arm(0, 0, 0, null) })[0]?.newBar).toEqual({
    low: 0,
    value: 0,
    high: 0,
  });
});

test.each([
  [0.001, 0.01, "worse"],
  [-0.02, -0.001, "better"],
  [-0.01, 0.01, "undecided"],
  [0, 0.01, "undecided"],
] as const)("a difference between %d and %d is %s", (difference_low, difference_high, verdict) => {
  expect(differenceOf({ difference_low, difference_high })).toBe(verdict);
});
