import { expect, test } from "vitest";
import { best } from "./rank";

const ITEMS = [
  { name: "shop-web-1", also: "h1 nginx" },
  { name: "web", also: "h2" },
  { name: "cobweb", also: "h3" },
  { name: "db", also: "h1 postgres" },
];

test("the name itself comes before a beginning of a word, that before letters within, that before other words", () => {
  expect(best(ITEMS, "web", 10).map(({ name }) => name)).toEqual(["web", "shop-web-1", "cobweb"]);
  expect(best(ITEMS, "postgres", 10).map(({ name }) => name)).toEqual(["db"]);
});

test("every word must be there, in any order", () => {
  expect(best(ITEMS, "h1 shop", 10).map(({ name }) => name)).toEqual(["shop-web-1"]);
  expect(best(ITEMS, "h2 shop", 10)).toEqual([]);
});

test("nothing typed means all of them, as they came, up to the limit", () => {
  expect(best(ITEMS, " ", 2).map(({ name }) => name)).toEqual(["shop-web-1", "web"]);
});

test("what is typed is no pattern", () => {
  expect(best([{ name: "a.b" }, { name: "axb" }], "a.", 10).map(({ name }) => name)).toEqual(["a.b"]);
});
