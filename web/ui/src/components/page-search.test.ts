import { expect, test } from "vitest";
import { flagIn, wholeIn } from "./page-search";

test("a whole number is one also where the address has it as text", () => {
  expect([7, "7", 1].map((value) => wholeIn(value))).toEqual([7, 7, 1]);
});

test("what is no whole number, or too small a one, is left out", () => {
  expect([0, -1, 1.5, "", "x", true, undefined, 2 ** 60].map((value) => wholeIn(value))).toEqual(
    Array.from({ length: 8 }, () => undefined),
  );
});

test("numbers may begin with nought", () => {
  expect(wholeIn(0, 0)).toBe(0);
  expect(wholeIn("", 0)).toBeUndefined();
});

test("a flag is there or left out, and never off", () => {
  expect([true, false, "true", 1].map(flagIn)).toEqual([true, undefined, undefined, undefined]);
});
