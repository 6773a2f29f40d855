import { expect, test } from "vitest";
import { rowWindow } from "./windowed-rows";

const ROW = { rowHeight: 40, viewport: 800 };

test("a short list is there as a whole", () => {
  expect(rowWindow({ ...ROW, top: -5_000, count: 100 })).toEqual({ first: 0, end: 100 });
});

test("of a long list there are the rows in sight and a few around them", () => {
  expect(rowWindow({ ...ROW, top: 300, count: 2_000 })).toEqual({ first: 0, end: 25 });
  expect(rowWindow({ ...ROW, top: -40_000, count: 2_000 })).toEqual({ first: 988, end: 1_032 });
});

test("no window reaches past the list, wherever the page is", () => {
  for (let top = -200_000; top < 200_000; top += 997) {
    const { first, end } = rowWindow({ ...ROW, top, count: 2_000 });
    expect(first).toBeGreaterThanOrEqual(0);
    expect(first).toBeLessThanOrEqual(end);
    expect(end).toBeLessThanOrEqual(2_000);
  }
});
