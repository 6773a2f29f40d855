import { expect, test } from "vitest";
import { UNKNOWN } from "./format";
import { baseOf, formatValue } from "./units";

test.each([
  [12.34, "percent", "12 %"],
  [2048, "bytes/s", "2.00 KiB/s"],
  [-2048, "bytes", "−2.00 KiB"],
  [7.12345, "ms", "7.12 ms"],
  [2500, "ms", "2.5 s"],
  [41.26, "celsius", "41.3 °C"],
  [0.1234, "count/s", "0.123/s"],
  [116.4, "1/s", "116/s"],
  [12_345, "count", "12,345"],
  [0.5, "", "0.5"],
])("%d of %s reads as %s", (value, unit, text) => expect(formatValue(value, unit)).toBe(text));

test("what is not known is a dash in every unit", () => {
  for (const unit of ["percent", "bytes", "ms", "celsius", "count", ""]) {
    expect(formatValue(null, unit)).toBe(UNKNOWN);
    expect(formatValue(Number.NaN, unit)).toBe(UNKNOWN);
  }
});

test("bytes are counted in powers of two, everything else in powers of ten", () => {
  expect(["bytes", "bytes/s", "percent", "ms", ""].map(baseOf)).toEqual([1024, 1024, 10, 10, 10]);
});
