import { describe, expect, test } from "vitest";
import { bounded, dragged, lengthOf, panned, rangeBefore, SPAN_MIN_MS, zoomed } from "./time-range";

const HOUR = 3_600_000;
const range = { startMs: 10 * HOUR, endMs: 20 * HOUR };
const NOW = 20 * HOUR;

test("zooming in keeps the moment under the cursor where it was", () => {
  const closer = zoomed(range, 0.5, 12 * HOUR, NOW);
  expect(closer).toEqual({ startMs: 11 * HOUR, endMs: 16 * HOUR });
  expect((12 * HOUR - closer.startMs) / lengthOf(closer)).toBeCloseTo(0.2);
});

test("zooming out ends now, and keeps its length by reaching further back", () => {
  expect(zoomed(range, 2, 15 * HOUR, NOW)).toEqual({ startMs: 0, endMs: 20 * HOUR });
});

test("no zoom is closer than what is measured", () => {
  expect(lengthOf(zoomed(range, 1e-9, 12 * HOUR, NOW))).toBe(SPAN_MIN_MS);
});

describe("moving", () => {
  test("goes back by a share of what is shown", () => {
    expect(panned(range, -0.5, NOW)).toEqual({ startMs: 5 * HOUR, endMs: 15 * HOUR });
  });
  test("does not go beyond now", () => {
    expect(panned(range, 0.5, NOW)).toEqual(range);
  });
});

test("a range in the future is moved to end now", () => {
  expect(bounded({ startMs: 30 * HOUR, endMs: 31 * HOUR }, NOW)).toEqual({
    startMs: 19 * HOUR,
    endMs: 20 * HOUR,
  });
});

test("the range before ends where this one begins", () => {
  expect(rangeBefore(range)).toEqual({ startMs: 0, endMs: 10 * HOUR });
});

test("a drag to the left is the stretch that a drag to the right is; a click is none", () => {
  expect(dragged(5_000, 2_000)).toEqual(dragged(2_000, 5_000));
  expect(dragged(5_000, 5_400)).toBeNull();
});
