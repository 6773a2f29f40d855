import { describe, expect, test } from "vitest";
import { type ChartForecast, type ChartLine, drawingOf, scaleOf } from "./time-chart-data";

const AS_IT_IS = { forecast: null, hidden: new Set<string>(), isStacked: false, isLog: false };
const TIMES = [1_000, 2_000, 3_000];

function line(key: string, values: (number | null)[], more: Partial<ChartLine> = {}): ChartLine {
  return { key, label: key, values, ...more };
}

const forecast: ChartForecast = {
  key: "a",
  label: "expected",
  timesMs: [2_000, 4_000, 5_000],
  expected: [9, 4, 5],
  low: [8, 3, 4],
  high: [10, 5, 6],
};

test("gaps stay gaps", () => {
  const { data } = drawingOf({ ...AS_IT_IS, timesMs: TIMES, lines: [line("a", [1, null, 3])] });
  expect(data).toEqual([
    [1, 2, 3],
    [1, null, 3],
  ]);
});

test("a line that is hidden leaves the others their colours", () => {
  const lines = [line("a", [1, 1, 1]), line("b", [2, 2, 2])];
  const { columns } = drawingOf({ ...AS_IT_IS, timesMs: TIMES, lines, hidden: new Set(["a"]) });
  expect(columns).toEqual([{ part: "line", key: "b", color: 1, isBefore: false }]);
});

test("what lies between the least and the most is drawn behind the line", () => {
  const banded = line("a", [2, 2, 2], { low: [1, 1, 1], high: [3, 3, 3] });
  const { columns, fills } = drawingOf({ ...AS_IT_IS, timesMs: TIMES, lines: [banded] });
  expect(columns.map(({ part }) => part)).toEqual(["low", "high", "line"]);
  expect(fills).toEqual([{ upper: 2, lower: 1, color: 0, strength: "band" }]);
});

describe("a stack", () => {
  const lines = [line("a", [1, 1, 1]), line("b", [2, 2, null])];
  test("is filled between each line and the one below it", () => {
    const { data, fills } = drawingOf({ ...AS_IT_IS, timesMs: TIMES, lines, isStacked: true });
    expect(data.slice(1)).toEqual([
      [1, 1, 1],
      [3, 3, 1],
    ]);
    expect(fills.map(({ upper, lower }) => [upper, lower])).toEqual([
      [1, 0],
      [2, 1],
    ]);
  });
  test("closes over a line that is hidden", () => {
    const { data } = drawingOf({
      ...AS_IT_IS,
      timesMs: TIMES,
      lines,
      isStacked: true,
      hidden: new Set(["a"]),
    });
    expect(data.slice(1)).toEqual([[2, 2, null]]);
  });
  test("has the time before on top of nothing", () => {
    const { data, fills } = drawingOf({
      ...AS_IT_IS,
      timesMs: TIMES,
      lines: [...lines, line("before", [7, 7, 7], { isBefore: true })],
      isStacked: true,
    });
    expect(data.at(-1)).toEqual([7, 7, 7]);
    expect(fills).toHaveLength(2);
  });
});

test("a forecast goes on where what was measured ends", () => {
  const { data, columns, fills } = drawingOf({
    ...AS_IT_IS,
    timesMs: TIMES,
    lines: [line("a", [1, 2, 3])],
    forecast,
  });
  expect(data[0]).toEqual([1, 2, 3, 4, 5]);
  expect(columns.map(({ part }) => part)).toEqual(["line", "forecast-low", "forecast-high", "forecast"]);
  expect(data[1]).toEqual([1, 2, 3, null, null]);
  expect(data.at(-1)).toEqual([null, null, null, 4, 5]);
  expect(fills).toHaveLength(1);
});

test("a forecast that is over changes nothing", () => {
  const { data, columns } = drawingOf({
    ...AS_IT_IS,
    timesMs: TIMES,
    lines: [line("a", [1, 2, 3])],
    forecast: { ...forecast, timesMs: [1_000, 2_000, 3_000] },
  });
  expect([data.length, columns.length]).toEqual([2, 1]);
});

describe("the axis of values", () => {
  const drawn = (values: (number | null)[], isLog = false) =>
    drawingOf({ ...AS_IT_IS, isLog, timesMs: TIMES, lines: [line("a", values)] });
  const usual = { top: null, isLog: false, base: 10 } as const;
  test("begins at nothing", () => expect(scaleOf(drawn([40, 50, 87]), usual)).toEqual([0, 100]));
  test("goes to its limit, and beyond it when values do", () => {
    expect(scaleOf(drawn([5, 5, 5]), { ...usual, top: 100 })).toEqual([0, 100]);
    expect(scaleOf(drawn([5, 5, 190]), { ...usual, top: 100 })).toEqual([0, 200]);
  });
  test("has room for what is negative", () => {
    expect(scaleOf(drawn([-3, 0, 4]), usual)).toEqual([-3, 4]);
    expect(scaleOf(drawn([-3, -1, -2]), usual)).toEqual([-3, 0]);
  });
  test("is not empty when there is nothing", () => {
    expect(scaleOf(drawn([null, null, null]), usual)).toEqual([0, 1]);
    expect(scaleOf(drawn([0, 0, 0]), usual)).toEqual([0, 1]);
  });
  test("of a logarithm goes from power to power", () => {
    expect(scaleOf(drawn([0, 0.3, 42], true), { ...usual, isLog: true })).toEqual([0.1, 100]);
    expect(scaleOf(drawn([10, 10, 10], true), { ...usual, isLog: true })).toEqual([10, 100]);
    expect(scaleOf(drawn([0, null, null], true), { ...usual, isLog: true })).toEqual([1, 10]);
  });
});
