import { expect, test } from "vitest";
import { listIn } from "./lists";

test("names are what stands between commas, each once", () => {
  expect(listIn(" web, db,,web , a b ")).toEqual(["web", "db", "a b"]);
});

test("nothing names nothing", () => {
  expect([listIn(undefined), listIn(""), listIn(" , ")]).toEqual([[], [], []]);
});
