import { expect, test } from "vitest";
import { parseSearch } from "./overview-search";

test("an address keeps what is open, and drops what the page does not know", () => {
  expect(parseSearch({ logs: "abc", colour: "blue" })).toEqual({
    logs: "abc",
    details: undefined,
  });
});

test("a name that looks like a number stays a name", () => {
  expect(parseSearch({ details: 7, logs: true })).toMatchObject({ details: "7", logs: "true" });
});
