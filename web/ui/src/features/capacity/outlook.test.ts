import { describe, expect, test } from "vitest";
import type { ExhaustionView, TrendView } from "@/api/openapi";
import { coneOf, isSpread, roundedSpan, toneOf } from "./outlook";

function exhaustion(more: Partial<ExhaustionView>): ExhaustionView {
  return {
    outlook: "filling",
    limit: 100,
    at_percent: 100,
    days: 20,
    soonest_days: 20,
    latest_days: 20,
    peaks_days: null,
    at_ms: null,
    reason: "",
    confidence: null,
    said: [],
    ...more,
  };
}

const level = (days_ahead: number, expected: number, reach: number) => ({
  days_ahead,
  expected,
  low: expected - reach,
  high: expected + reach,
  is_full: false,
});

const trend = {
  level: 50,
  next_week: level(7, 57, 1),
  next_month: level(30, 80, 30),
  exhaustion: exhaustion({}),
} as TrendView;

test("near ends are told in days, far ones in months", () => {
  expect(roundedSpan(12.4)).toEqual({ unit: "days", count: 12 });
  expect(roundedSpan(90)).toEqual({ unit: "months", count: 3 });
});

test("an interval is told where it says something", () => {
  expect(isSpread(exhaustion({}))).toBe(false);
  expect(isSpread(exhaustion({ soonest_days: 12, latest_days: 31 }))).toBe(true);
  expect(isSpread(exhaustion({ latest_days: null }))).toBe(true);
  expect(isSpread(exhaustion({ days: null }))).toBe(false);
});

test("the sooner, the worse", () => {
  expect([3, 20, 200].map((days) => toneOf(exhaustion({ days })))).toEqual(["bad", "warn", "neutral"]);
  expect(toneOf(exhaustion({ outlook: "full", days: null }))).toBe("bad");
  expect(toneOf(exhaustion({ outlook: "shrinking", days: null }))).toBe("neutral");
});

describe("the cone", () => {
  const cone = coneOf(trend, "a", "expected", { atMs: 0, value: 51 });
  test("opens day by day from the newest level to a month ahead", () => {
    expect(cone?.timesMs).toHaveLength(31);
    expect(cone?.expected[0]).toBe(51);
    expect(cone?.expected[7]).toBeCloseTo(57);
    expect(cone?.expected[30]).toBeCloseTo(80);
    const widths = cone?.timesMs.map((_, day) => Number(cone.high[day]) - Number(cone.low[day])) ?? [];
    expect(Math.max(...widths.slice(0, 7))).toBeLessThan(widths.at(-1) ?? 0);
  });
  test("does not go beyond what there is", () => {
    expect(Math.max(...(cone?.high.map(Number) ?? []))).toBe(100);
  });
  test("is none where nothing could be concluded", () => {
    const last = { atMs: 0, value: null };
    expect(coneOf({ ...trend, next_week: null, next_month: null }, "a", "expected", last)).toBeNull();
    expect(coneOf({ ...trend, level: null }, "a", "expected", last)).toBeNull();
  });
});
