import { expect, test } from "vitest";
import { itemWindow, offsetsOf } from "./windowed-items";

const heights = Array.from({ length: 1_000 }, (_, index) => (index % 10 === 0 ? 30 : 40));
const offsets = offsetsOf(heights);

test("items begin where those before them end", () => {
  expect([...offsetsOf([30, 40, 40])]).toEqual([0, 30, 70, 110]);
});

test("a short list is there whole, wherever it is scrolled to", () => {
  expect(itemWindow(offsetsOf([40, 40]), -500, 800)).toEqual({ first: 0, end: 2 });
});

test.each([0, -1, -5_000, -20_000, -39_000, -100_000])(
  "at %d everything that can be seen is there",
  (top) => {
    const viewport = 900;
    const { first, end } = itemWindow(offsets, top, viewport);
    const total = offsets.at(-1) ?? 0;
    expect(offsets[first]).toBeLessThanOrEqual(Math.max(0, Math.min(-top, total)));
    expect(offsets[end]).toBeGreaterThanOrEqual(Math.min(total, viewport - top));
    expect(end - first).toBeLessThan(80);
  },
);

test("nothing is there of a list of nothing", () => {
  expect(itemWindow(offsetsOf([]), 0, 800)).toEqual({ first: 0, end: 0 });
});
