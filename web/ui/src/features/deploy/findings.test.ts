import { expect, test } from "vitest";
import type { FindingView } from "@/api/openapi";
import { inOrder, marksOf, rangeOf } from "./findings";

const finding = (more: Partial<FindingView>): FindingView => ({
  check: "file",
  level: "error",
  service: "",
  field: "services.web.imag",
  rule: "'imag' is not known",
  hint: "did you mean image?",
  file: "",
  line: 2,
  column: 3,
  ...more,
});
const TEXT = "services:\n  web:   # note\n\nend";
const cut = (line: number, column: number) => {
  const { from, to } = rangeOf(TEXT, { line, column });
  return TEXT.slice(from, to);
};

test("a finding is marked from its column to the end of what is written", () => {
  expect([cut(2, 3), cut(2, 1), cut(1, 4)]).toEqual(["web:", "web:", "vices:"]);
});

test("a finding past the text is marked in it all the same", () => {
  for (const [line, column] of [
    [0, 0],
    [3, 9],
    [99, 1],
    [2, 999],
  ] as const) {
    const { from, to } = rangeOf(TEXT, { line, column });
    expect(from).toBeGreaterThanOrEqual(0);
    expect(to).toBeGreaterThanOrEqual(from);
    expect(to).toBeLessThanOrEqual(TEXT.length);
  }
});

test("what names a place without a line is marked at it, or at what it is in", () => {
  const text = "services:\n  web:\n    image: a\n    secrets:\n      - x\n      - y";
  const lineOf = (field: string) => marksOf([finding({ line: null, field })], text)[0]?.line;
  expect(lineOf("services.web.image")).toBe(3);
  expect(lineOf("services.web.secrets[1]")).toBe(6);
  expect(lineOf("services.web.x-tower.route")).toBe(2);
  expect(lineOf("services.gone.image")).toBeUndefined();
});

test("what is about no line is not marked", () => {
  const marks = marksOf([finding({}), finding({ line: null, field: "" })], TEXT);
  expect(marks).toEqual([
    {
      level: "error",
      line: 2,
      column: 3,
      words: "services.web.imag: 'imag' is not known\nDid you mean image?",
    },
  ]);
});

test("errors come first, then the order of the file", () => {
  const found = inOrder([
    finding({ level: "warning", line: 1 }),
    finding({ line: null }),
    finding({ line: 9 }),
    finding({ line: 2 }),
  ]);
  expect(found.map((each) => [each.level, each.line])).toEqual([
    ["error", 2],
    ["error", 9],
    ["error", null],
    ["warning", 1],
  ]);
});
