import { expect, test } from "vitest";
import { allToggled, extended, NONE, shareOf, toggled } from "./selection";

const SHOWN = ["a", "b", "c", "d", "e"];
const keys = (selection: { keys: ReadonlySet<string> }) => [...selection.keys].sort();

test("a press chooses one, and another press does not", () => {
  const one = toggled(NONE, "b");
  expect(keys(one)).toEqual(["b"]);
  expect(keys(toggled(one, "b"))).toEqual([]);
});

test.each([
  ["d", ["b", "c", "d"]],
  ["a", ["a", "b"]],
  ["b", ["b"]],
])("with Shift everything from the last choice to %s is chosen", (to, chosen) => {
  expect(keys(extended(toggled(NONE, "b"), to, SHOWN))).toEqual(chosen);
});

test("a range from one that was taken out takes out", () => {
  const all = allToggled(NONE, SHOWN);
  expect(keys(extended(toggled(all, "c"), "d", SHOWN))).toEqual(["a", "b", "e"]);
});

test("a range without a beginning is one", () => {
  expect(keys(extended(NONE, "c", SHOWN))).toEqual(["c"]);
  expect(keys(extended({ keys: new Set(), anchor: "gone" }, "c", SHOWN))).toEqual(["c"]);
});

test("a range goes on from where it began", () => {
  const wide = extended(extended(toggled(NONE, "b"), "d", SHOWN), "a", SHOWN);
  expect(keys(wide)).toEqual(["a", "b", "c", "d"]);
});

test("a box for all chooses all, and then none", () => {
  const all = allToggled(toggled(NONE, "c"), SHOWN);
  expect(shareOf(all, SHOWN)).toBe("all");
  expect(shareOf(allToggled(all, SHOWN), SHOWN)).toBe("none");
  expect(shareOf(toggled(all, "a"), SHOWN)).toBe("some");
});
