import { expect, test } from "vitest";
import { parseColumns } from "./columns";

test("without a choice the usual columns are shown", () => {
  expect(parseColumns(null)).toContain("cpu");
  expect(parseColumns(null)).not.toContain("ports");
});

test("a choice is kept in the order of the columns, without what is not known", () => {
  expect(parseColumns("memory,moon,state")).toEqual(["state", "memory"]);
  expect(parseColumns("")).toEqual([]);
});
