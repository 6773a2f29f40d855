import { expect, test } from "vitest";
import type { Part } from "@/api/assistant";
import { viewOf } from "./answer-view";
import { answered, called, ended, said } from "./parts-for-tests";

test("pieces of text are one text, up to the next tool", () => {
  const { items } = viewOf([said("One "), said("two."), called("a"), said("Three.")]);
  expect(items).toEqual([
    { kind: "text", text: "One two." },
    { kind: "call", called: called("a"), answered: null },
    { kind: "text", text: "Three." },
  ]);
});

test("each tool has its own answer, in whichever order they come", () => {
  const { items } = viewOf([
    called("a"),
    called("b"),
    answered("b", { text: "second" }),
    answered("a", { text: "first" }),
  ]);
  expect(items.map((item) => item.kind === "call" && item.answered?.text)).toEqual(["first", "second"]);
});

test("an answer to nothing that was called is no item, but its pages can be cited", () => {
  const reference = { number: 3, label: "CPU", path: "/explore" };
  const view = viewOf([answered("x", { references: [reference] })]);
  expect(view.items).toEqual([]);
  expect(view.references.get(3)).toEqual(reference);
});

test("white space alone is no item, and what the future brings is left out", () => {
  const unknown = { kind: "thought" } as unknown as Part;
  expect(viewOf([said(" \n"), unknown, ended("stopped")])).toMatchObject({
    items: [],
    ended: ended("stopped"),
  });
});
