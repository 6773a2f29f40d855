import { describe, expect, test } from "vitest";
import { alignedTo, clustered, extentOf, positiveOnly, restOf, roundTop, stackedUp } from "./plot";

describe("a stack", () => {
  test("puts each series on top of those before it", () => {
    expect(
      stackedUp([
        [1, 2],
        [10, 20],
        [100, 200],
      ]),
    ).toEqual([
      [1, 2],
      [11, 22],
      [111, 222],
    ]);
  });
  test("counts one series' gap as nothing, and has a gap where all have one", () => {
    expect(
      stackedUp([
        [1, null, null],
        [10, 20, null],
      ]),
    ).toEqual([
      [1, 0, null],
      [11, 20, null],
    ]);
  });
  test("never falls from one series to the next", () => {
    const [lower = [], upper = []] = stackedUp([
      [3, null, 5],
      [0, 2, null],
    ]);
    lower.forEach((value, index) => {
      expect(upper[index] ?? 0).toBeGreaterThanOrEqual(value ?? 0);
    });
  });
});

test("the rest of a total is never negative, and a gap where the total is one", () => {
  expect(
    restOf(
      [10, 10, null],
      [
        [4, 12, 1],
        [null, 1, 1],
      ],
    ),
  ).toEqual([6, 0, null]);
});

test("a logarithm leaves out what it cannot show", () => {
  expect(positiveOnly([0, -1, null, 0.5])).toEqual([null, null, null, 0.5]);
});

test("the extent of nothing is nothing, not zero to zero", () => {
  expect(extentOf([[null], []])).toBeNull();
  expect(extentOf([[3, null], [-1]])).toEqual({ least: -1, most: 3 });
});

describe("another time on these moments", () => {
  test("takes the nearest value, though steps do not begin together", () => {
    expect(alignedTo([100, 110, 120], [3, 13, 23], [1, 2, 3], 100)).toEqual([1, 2, 3]);
  });
  test("is a gap where nothing is near", () => {
    expect(alignedTo([100, 110, 120, 130], [0, 10], [1, 2], 100)).toEqual([1, 2, null, null]);
  });
  test("is all gaps when the other time has nothing", () => {
    expect(alignedTo([1, 2], [], [], 0)).toEqual([null, null]);
  });
});

test("marks that would cover each other become one, and what is out of sight is none", () => {
  const found = clustered([{ atMs: 50 }, { atMs: 0 }, { atMs: 5 }, { atMs: 500 }], (at) => at, 100, 12);
  expect(found.map((each) => [each.x, each.items.length])).toEqual([
    [0, 2],
    [50, 1],
  ]);
});

describe("the top of a scale", () => {
  test.each([
    [87, 100],
    [101, 120],
    [0.34, 0.4],
    [1, 1],
  ])("of %d is %d", (value, top) => expect(roundTop(value, 10)).toBeCloseTo(top));
  test("of bytes is round in powers of two", () => {
    expect(roundTop(900 * 1024 ** 2, 1024)).toBe(1024 ** 3);
    expect(roundTop(5 * 1024 ** 3, 1024)).toBe(5 * 1024 ** 3);
    expect(roundTop(5.5 * 1024 ** 3, 1024)).toBe(6 * 1024 ** 3);
  });
  test("is never below what is shown", () => {
    for (let value = 0.001; value < 1e12; value *= 1.37) {
      expect(roundTop(value, 10)).toBeGreaterThanOrEqual(value * 0.9999);
      expect(roundTop(value, 1024)).toBeGreaterThanOrEqual(value);
    }
  });
});
