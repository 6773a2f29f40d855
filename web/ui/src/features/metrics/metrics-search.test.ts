import { expect, test } from "vitest";
import { isLive, parseSearch, rangeOf, selectionOf } from "./metrics-search";

const NOW = 1_800_000_003_456;
const HOUR = 3_600_000;

test("an address that says nothing shows the last hour, live", () => {
  const search = parseSearch({});
  const { startMs, endMs } = rangeOf(search, NOW);
  expect([isLive(search), endMs - startMs]).toEqual([true, HOUR]);
  expect(NOW - endMs).toBeLessThan(10_000);
});

test("a range of its own stands still", () => {
  const search = parseSearch({ from: NOW - 2 * HOUR, to: NOW - HOUR, range: "7d" });
  expect(isLive(search)).toBe(false);
  expect(rangeOf(search, NOW)).toEqual(rangeOf(search, NOW + HOUR));
});

test.each([
  [{ from: 5 }],
  [{ from: NOW, to: NOW - HOUR }],
  [{ from: "a", to: "b" }],
  [{ from: -1, to: NOW }],
  [{ from: NOW, to: NOW + 10 }],
])("a range that is none (%o) is not taken", (raw) => expect(isLive(parseSearch(raw))).toBe(true));

test("nonsense is dropped", () => {
  expect(parseSearch({ range: "2w", compare: "yes", anomalies: 0, drag: "dance", of: { a: 1 } })).toEqual(
    parseSearch({}),
  );
});

test("a live range moves on in steps, which are longer for a longer range", () => {
  const year = parseSearch({ range: "1y" });
  expect(rangeOf(year, NOW)).toEqual(rangeOf(year, NOW + 60_000));
  const minutes = parseSearch({ range: "10m" });
  expect(rangeOf(minutes, NOW)).not.toEqual(rangeOf(minutes, NOW + 60_000));
});

test("a stretch that was selected is kept beside the range", () => {
  expect(selectionOf(parseSearch({ selFrom: 1_000_000, selTo: 1_060_000 }))).toEqual({
    startMs: 1_000_000,
    endMs: 1_060_000,
  });
  expect(selectionOf(parseSearch({ selFrom: 1_000_000 }))).toBeNull();
});
