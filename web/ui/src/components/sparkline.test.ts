import { expect, test } from "vitest";
import { runsOf } from "./sparkline";

test("a gap stays a gap", () => {
  const runs = runsOf([1, 2, null, null, 3], 4);
  expect(runs.map((run) => run.map((point) => point.x))).toEqual([[0, 25], [100]]);
});

test("what is beyond the edges is drawn at them", () => {
  const [run = []] = runsOf([-5, 50], 10);
  expect(run.map((point) => point.y)).toEqual([31, 1]);
});

test("nothing known draws nothing", () => {
  expect(runsOf([null, null], 10)).toEqual([]);
});
