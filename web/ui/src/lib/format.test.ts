import { describe, expect, test } from "vitest";
import {
  formatAge,
  formatBytes,
  formatDuration,
  formatPercent,
  formatShare,
  formatSize,
  parseImage,
  plural,
  UNKNOWN,
} from "./format";

test.each([
  [0, "0 %"],
  [25, "2.5 %"],
  [1000, "100 %"],
])("a share of %d thousandths reads as %s", (permille, text) => expect(formatShare(permille)).toBe(text));

describe("bytes", () => {
  test.each([
    [0, "0 B"],
    [999, "999 B"],
    [1000, "0.98 KiB"],
    [1024, "1.00 KiB"],
    [12.5 * 1024 ** 2, "12.5 MiB"],
    [999.4 * 1024 ** 2, "999 MiB"],
    [999.6 * 1024 ** 2, "0.98 GiB"],
    [16 * 1024 ** 3, "16.0 GiB"],
  ])("%d reads as %s", (bytes, text) => expect(formatBytes(bytes)).toBe(text));

  test("what is not known is a dash, never a zero", () => {
    expect([formatBytes(null), formatBytes(undefined), formatBytes(Number.NaN)]).toEqual([
      UNKNOWN,
      UNKNOWN,
      UNKNOWN,
    ]);
  });

  test("a fixed size drops the zeros that a changing one keeps", () => {
    expect([formatSize(16 * 1024 ** 3), formatSize(1.5 * 1024 ** 3)]).toEqual(["16 GiB", "1.50 GiB"]);
  });
});

test("small percentages keep a digit, so that idle and dead differ", () => {
  expect([0.04, 0.4, 9.94, 9.96, 183.2].map(formatPercent)).toEqual([
    "0.0 %",
    "0.4 %",
    "9.9 %",
    "10 %",
    "183 %",
  ]);
});

describe("durations", () => {
  const minute = 60_000;
  test.each([
    [-5, "0 s"],
    [42_900, "42 s"],
    [59 * minute, "59 min"],
    [125 * minute, "2 h 5 min"],
    [24 * 60 * minute, "1 d"],
    [76 * 60 * minute, "3 d 4 h"],
  ])("%d ms reads as %s", (ms, text) => expect(formatDuration(ms)).toBe(text));

  test("an age is now, some time ago, or never", () => {
    expect([formatAge(10_000, 10_400), formatAge(10_000, 52_000), formatAge(null, 0)]).toEqual([
      "now",
      "42 s ago",
      "never",
    ]);
  });
});

test("one is not several", () => {
  expect([plural(1, "host"), plural(1_200, "host"), plural(0, "entry", "entries")]).toEqual([
    "1 host",
    "1,200 hosts",
    "0 entries",
  ]);
});

test.each([
  ["nginx", "nginx", ""],
  ["nginx:1.27", "nginx", "1.27"],
  ["library/nginx:1.27@sha256:abc", "library/nginx", "1.27"],
  ["registry.internal:5000/shop/web:2.14.0", "shop/web", "2.14.0"],
  ["localhost/web", "web", ""],
  ["ghcr.io/amir20/dozzle@sha256:abc", "amir20/dozzle", ""],
])("the image %s is called %s with the tag '%s'", (reference, short, tag) => {
  expect(parseImage(reference)).toEqual({ short, tag, full: reference });
});
