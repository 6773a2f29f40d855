import { expect, test } from "vitest";
import { parseSearch, searchOf, viewOf } from "./containers-search";

test("an address and what it shows are the same thing", () => {
  const search = {
    q: "web",
    host: "h1",
    project: "shop",
    service: "shop.web",
    label: "tier=front",
    state: "unhealthy",
    sort: "cpu",
    desc: true,
    group: "host",
  } as const;
  expect(searchOf(viewOf(parseSearch(search)))).toEqual(search);
});

test("what is as usual is not in the address", () => {
  expect(Object.values(searchOf(viewOf({}))).filter((value) => value !== undefined)).toEqual([]);
});

test("an address with nonsense in it shows everything", () => {
  const view = viewOf(
    parseSearch({ state: "sleepy", group: "moon", sort: "colour", desc: "yes", q: { a: 1 } }),
  );
  expect(view).toEqual(viewOf({}));
});

test("a name that looks like a number stays a name", () => {
  expect(parseSearch({ host: 7, project: true })).toMatchObject({ host: "7", project: "true" });
});
