import { expect, test } from "vitest";
import { parseSearch } from "./overview-search";

test("an address keeps what is open, and drops what the page does not know", () => {
  expect(parseSearch({ logs: "abc", node: "nd_1", colour: "blue" })).toEqual({
    logs: "abc",
    node: "nd_1",
    details: undefined,
  });
});

test("a name that looks like a number stays a name", () => {
  expect(parseSearch({ details: 7, node: true })).toMatchObject({ details: "7", node: "true" });
});
