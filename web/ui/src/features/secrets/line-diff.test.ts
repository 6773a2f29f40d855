import { describe, expect, it } from "vitest";
import { excerpt, lineDiff } from "./line-diff";

const told = (before: string, after: string) =>
  lineDiff(before, after).map(
    ({ kind, text }) => `${kind === "same" ? " " : kind === "gone" ? "-" : "+"}${text}`,
  );

describe("the difference of two texts", () => {
  it("is what goes and then what comes, between what stays", () => {
    expect(told("a\nb\nc", "a\nx\nc")).toEqual([" a", "-b", "+x", " c"]);
  });

  it("keeps a line that has moved down", () => {
    expect(told("a\nb", "new\na\nb")).toEqual(["+new", " a", " b"]);
  });

  it("is everything where there was nothing, and nothing where nothing changed", () => {
    expect(told("", "a\nb")).toEqual(["+a", "+b"]);
    expect(told("a\n", "a\n")).toEqual([" a", " "]);
  });

  it("numbers lines as each text has them", () => {
    expect(lineDiff("a\nb\nc", "b\nc").map(({ before, after }) => [before, after])).toEqual([
      [1, null],
      [2, 1],
      [3, 2],
    ]);
  });

  it("is told whole when both texts are long and nothing of them is alike", () => {
    const before = Array.from({ length: 3_000 }, (_, index) => `old ${index}`).join("\n");
    const after = Array.from({ length: 3_000 }, (_, index) => `new ${index}`).join("\n");
    const lines = lineDiff(before, after);
    expect(lines.slice(0, 3_000).every(({ kind }) => kind === "gone")).toBe(true);
    expect(lines.slice(3_000).every(({ kind }) => kind === "new")).toBe(true);
  });
});

describe("an excerpt", () => {
  it("leaves out what is far from every difference, said once", () => {
    const before = Array.from({ length: 20 }, (_, index) => String(index));
    const after = before.map((line) => (line === "10" ? "x" : line));
    const shown = excerpt(lineDiff(before.join("\n"), after.join("\n")), 1);
    expect(shown.map((line) => (line === null ? "…" : line.text))).toEqual(["…", "9", "10", "x", "11", "…"]);
  });
});
