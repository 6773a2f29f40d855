import { describe, expect, test } from "vitest";
import type { AnomaliesView, HistorySeries, MetricsHistoryView } from "@/api/openapi";
import { bandsOf, forecastOf, linesOf } from "./panel-lines";
import { type Panel, panelsOf } from "./panels";

const WORDS = { rest: "others", before: (label: string) => `${label}, before` };
const TIMES = [1_000, 2_000, 3_000];

function series(title: string, values: (number | null)[], more: Partial<HistorySeries> = {}): HistorySeries {
  return {
    title,
    metric: "cpu_percent",
    unit: "percent",
    subject: null,
    labels: { subject: title },
    least: null,
    mean: null,
    most: null,
    last: values.at(-1) ?? null,
    values,
    low: null,
    high: null,
    ...more,
  };
}

function answer(found: HistorySeries[], more: Partial<MetricsHistoryView> = {}): MetricsHistoryView {
  return {
    start_ms: 1_000,
    end_ms: 4_000,
    step_ms: 1_000,
    resolution: "raw",
    aggregation: null,
    times_ms: TIMES,
    series: found,
    series_left_out: 0,
    notes: [],
    ...more,
  };
}

function panelOf(key: Panel["key"], of: Parameters<typeof panelsOf>[0] = []): Panel {
  const found = panelsOf(of).find((panel) => panel.key === key);
  if (found === undefined) throw new Error(key);
  return found;
}

describe("the largest containers", () => {
  const stack = panelOf("containersCpu");
  test("leave a rest when there are more of them", () => {
    const { lines } = linesOf(
      stack,
      [answer([series("a", [5, 5, 5])], { series_left_out: 3 }), answer([series("all", [8, null, 6])])],
      WORDS,
    );
    expect(lines.map((line) => [line.label, line.values])).toEqual([
      ["a", [5, 5, 5]],
      ["others", [3, null, 1]],
    ]);
  });
  test("leave none when they are all", () => {
    const { lines } = linesOf(
      stack,
      [answer([series("a", [5, 5, 5])]), answer([series("all", [5, 5, 5])])],
      WORDS,
    );
    expect(lines.map(({ label }) => label)).toEqual(["a"]);
  });
});

test("a limit is the top of the scale, not a line", () => {
  const memory = panelOf("memory", [{ kind: "host", name: "h1" }]);
  const { lines, top } = linesOf(
    memory,
    [answer([series("h1", [1, 2, 3])]), answer([series("h1", [16, 16, 16])])],
    WORDS,
  );
  expect([lines.length, top]).toEqual([1, 16]);
});

test("the range before lies beneath, on the same moments", () => {
  const cpu = panelOf("cpu", [{ kind: "host", name: "h1" }]);
  const { lines } = linesOf(cpu, [answer([series("h1", [1, 2, 3])])], WORDS, {
    answers: [answer([series("h1", [7, 8, 9])], { times_ms: [-2_100, -1_100, -100] })],
    shiftMs: 3_000,
  });
  expect(lines.map((line) => [line.isBefore === true, line.values, line.color ?? 0])).toEqual([
    [false, [1, 2, 3], 0],
    [true, [7, 8, 9], 0],
  ]);
});

test("answers that are not there yet leave nothing broken", () => {
  expect(linesOf(panelOf("cpu"), [undefined], WORDS)).toEqual({
    timesMs: [],
    lines: [],
    unit: "",
    top: 100,
    leftOut: 0,
  });
});

test("what was unusual is marked on the charts of its metric alone, once", () => {
  const anomaly = { metric: "cpu_percent", at_ms: 5, until_ms: 9, severity: "warning" };
  const anomalies = {
    incidents: [
      { anomalies: [anomaly, { ...anomaly, severity: "critical" }, { ...anomaly, metric: "load_1" }] },
    ],
  } as unknown as AnomaliesView;
  expect(bandsOf(panelOf("cpu"), anomalies)).toEqual([{ startMs: 5, endMs: 9, isBad: true }]);
  expect(bandsOf(panelOf("memory"), anomalies)).toEqual([]);
});

test("a forecast goes on from the present, and is none of a range that ended long ago", () => {
  const lines = linesOf(panelOf("cpu"), [answer([series("h1", [1, 2, 3])])], WORDS);
  const needs = {
    needs: [{ path: { times_ms: [4_000], expected: [4], low: [3], high: [5] } }],
  } as unknown as Parameters<typeof forecastOf>[1];
  const range = { startMs: 0, endMs: 3_000 };
  expect(forecastOf(lines, needs, range, 3_500, "expected")?.expected).toEqual([4]);
  expect(forecastOf(lines, needs, range, 3_000 + 10 * 3_600_000, "expected")).toBeNull();
  expect(forecastOf(lines, undefined, range, 3_500, "expected")).toBeNull();
});
