// @vitest-environment happy-dom
import { afterEach, expect, test, vi } from "vitest";
import type { LogSourceView } from "@/api/openapi";
import { plainText, spansOf } from "./ansi";
import { compareEntries, type Entry, parsePlace, placeOf, Sources } from "./entries";
import { jsonText, parseJsonLine } from "./json-line";
import { LogBuffer } from "./log-buffer";
import { LogModel, WAITING_MAX } from "./log-model";
import { choiceIn, parseLogsSearch } from "./logs-search";
import { expressionOf, hasMatch, markPieces, stretchesOf } from "./matching";
import { linesOf, RowHeights } from "./row-heights";
import { Rows } from "./rows";
import { groupsOf } from "./source-picker";
import { stampOf } from "./times";

afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

const view = (name: string, changes: Partial<LogSourceView> = {}): LogSourceView => ({
  container_id: `${name}`.padEnd(64, "0"),
  name,
  image: "web:1",
  project: "shop",
  service: "web",
  revision: 0,
  is_managed: false,
  node_id: "nd_1",
  node_name: "h1",
  start_ms: 1,
  end_ms: 2,
  lines: 3,
  is_present: true,
  is_live: true,
  problem: "",
  ...changes,
});
const sources = new Sources().meet([view("aaaa"), view("bbbb")]);

const entry = (atUs: number, text = "", { ordinal = atUs, of = 0, ...changes } = {}): Entry => {
  const source = sources[of];
  if (source === undefined) throw new Error("there are two");
  return {
    source,
    atUs,
    ordinal,
    stream: "stdout",
    level: "unknown",
    text,
    event: null,
    isMatch: true,
    ...changes,
  };
};

test("colours are kept, everything else of a terminal is left out", () => {
  expect(spansOf("\u001b[1;31mERROR\u001b[0m it\u001b[2K broke\u001b]0;title\u0007")).toEqual([
    { text: "ERROR", className: "text-bad font-bold" },
    { text: " it", className: "" },
    { text: " broke", className: "" },
  ]);
  expect(plainText("\u001b[32mok\u001b[39m now")).toBe("ok now");
});

test("lines are in order and there once, however they come", () => {
  const lines = [entry(5), entry(1), entry(3), entry(3, "", { of: 1 }), entry(2), entry(9)];
  const orders = [lines, [...lines].reverse(), [...lines, ...lines]];
  for (const given of orders) {
    for (const size of [1, 2, 100]) {
      const buffer = new LogBuffer(100);
      for (let from = 0; from < given.length; from += size) buffer.add(given.slice(from, from + size));
      expect(buffer.entries).toEqual([...lines].sort(compareEntries));
    }
  }
});

test("many older lines are sorted in before those there are", () => {
  const buffer = new LogBuffer(1_000);
  buffer.add([entry(500), entry(501)]);
  expect(buffer.add(Array.from({ length: 50 }, (_, index) => entry(450 + index)))).toBe(false);
  expect(buffer.entries.map((each) => each.atUs)).toEqual(
    Array.from({ length: 52 }, (_, index) => 450 + index),
  );
});

test("no more lines are held than the bound, and those let go of are counted", () => {
  const buffer = new LogBuffer(100);
  buffer.add(Array.from({ length: 150 }, (_, index) => entry(index)));
  expect(buffer.trimOldest()).toBe(60);
  expect([buffer.entries.length, buffer.dropped, buffer.first?.atUs]).toEqual([90, 60, 60]);
});

test("a stack trace is one row, also where another container's lines come between", () => {
  const rows = new Rows();
  rows.rebuild([
    entry(1, "ERROR job failed"),
    entry(2, "Traceback (most recent call last):"),
    entry(3, "GET / 200", { of: 1 }),
    entry(4, '  File "a.py", line 1'),
    entry(5, "ValueError: no"),
    entry(6, "ValueError: alone"),
  ]);
  expect(rows.rows.map((row) => [row.head.text, row.rest.length])).toEqual([
    ["ERROR job failed", 3],
    ["GET / 200", 0],
    ["ValueError: alone", 0],
  ]);
});

test("an indented line that comes much later is a line of its own", () => {
  const rows = new Rows();
  rows.rebuild([entry(1, "begin"), entry(2_000_000, "  indented")]);
  expect(rows.rows).toHaveLength(2);
});

test("a JSON line says its message and its fields, with those of objects by their path", () => {
  const line = parseJsonLine('{"ts":1,"level":"info","msg":"served","user":{"id":5},"tags":["a"]}');
  if (line === null) throw new Error("it is JSON");
  expect(jsonText(line, [])).toBe('served user.id=5 tags=["a"]');
  expect(jsonText(line, ["user.id", "level"])).toBe("served user.id=5 level=info");
  expect(parseJsonLine("{not json}")).toBeNull();
  expect(parseJsonLine("[1]")).toBeNull();
});

test("what is looked for is marked over pieces of different looks", () => {
  const expression = expressionOf({ text: "r i", isRegex: false, isCaseSensitive: false });
  const pieces = [
    { text: "ERROR", className: "a" },
    { text: " it broke", className: "" },
  ];
  const marked = markPieces(pieces, stretchesOf("ERROR it broke", expression));
  expect(marked.map(({ text, isMarked }) => [text, isMarked])).toEqual([
    ["ERRO", false],
    ["R", true],
    [" i", true],
    ["t broke", false],
  ]);
  expect(marked.map(({ text }) => text).join("")).toBe("ERROR it broke");
});

test("an expression is one, and plain text is plain", () => {
  expect(expressionOf({ text: "(", isRegex: true, isCaseSensitive: false })).toBeNull();
  const plain = expressionOf({ text: "a.b", isRegex: false, isCaseSensitive: true });
  expect([hasMatch("a.b", plain), hasMatch("axb", plain), hasMatch("A.B", plain)]).toEqual([
    true,
    false,
    false,
  ]);
});

test("rows are found by height, and only those in sight are shown", () => {
  const heights = new RowHeights();
  heights.layOut(100, (index) => (index % 2 === 0 ? 20 : 40));
  expect(heights.total).toBe(3_000);
  for (const y of [0, 19, 20, 59, 60, 2_999]) {
    const index = heights.indexAt(y);
    expect(heights.topOf(index)).toBeLessThanOrEqual(y);
    expect(heights.topOf(index + 1)).toBeGreaterThan(y);
  }
  expect(heights.windowOf(600, 120, 2)).toEqual({ first: 18, end: 27 });
  expect([linesOf(0, 80), linesOf(80, 80), linesOf(81, 80)]).toEqual([1, 1, 2]);
});

test("a line's name leads back to it", () => {
  const line = entry(1_796_082_299_709_016, "", { ordinal: 61 });
  expect(parsePlace(placeOf(line))).toEqual({ container: "aaaa00000000", atUs: line.atUs, ordinal: 61 });
  expect(parsePlace("nonsense")).toBeNull();
});

test("moments have their date where that is not today's", () => {
  const atUs = Date.UTC(2026, 10, 30, 23, 44, 59, 709) * 1_000;
  expect(stampOf(atUs, "utc", atUs / 1_000 + 1)).toBe("23:44:59.709");
  expect(stampOf(atUs, "utc", atUs / 1_000 + 86_400_000)).toBe("11-30 23:44:59.709");
});

test("an address says what is shown, and nonsense in it is left out", () => {
  expect(parseLogsSearch({ c: "web", only: "true", at: "17", around: 900, span: "1y", x: 1 })).toEqual({
    c: "web",
    only: true,
    at: 17,
    around: 50,
  });
});

test("a container may be named with its host before it", () => {
  expect(choiceIn({ c: "nd_1:abc123, web-1" }).containers).toEqual(["abc123", "web-1"]);
});

test("containers are listed by project and service, those that are gone last", () => {
  const groups = groupsOf(
    [
      view("old", { is_present: false }),
      view("zed"),
      view("lonely", { project: "", service: "" }),
      view("api", { service: "api" }),
    ],
    "",
  );
  expect(groups.map((group) => [group.project, group.services.map((each) => each.service)])).toEqual([
    ["shop", ["api", "web"]],
    ["", [""]],
  ]);
  expect(groups[0]?.services[1]?.containers.map((each) => each.name)).toEqual(["zed", "old"]);
  expect(groupsOf([view("zed")], "nothing")).toEqual([]);
});

const page = (lines: unknown[], next: string | null = null) =>
  new Response(
    JSON.stringify({
      sources: [view("aaaa")],
      lines,
      next_cursor: next,
      reached_us: null,
      scanned: 1,
      notes: [],
      problems: [],
    }),
    { status: 200 },
  );
const told = (at_us: number, ordinal: number, text: string) => ({
  source: 0,
  at_us,
  ordinal,
  stream: "stdout",
  level: "info",
  text,
  is_partial: false,
  is_match: true,
  event: null,
});

function streamOf(...records: unknown[]): Response {
  const encoder = new TextEncoder();
  const body = new ReadableStream({
    start(controller) {
      for (const record of records) controller.enqueue(encoder.encode(`${JSON.stringify(record)}\n`));
    },
  });
  return new Response(body, { status: 200 });
}

const NOBODY = { containers: [], services: [], projects: [], hosts: [] };
const EVERYTHING = { levels: [], streams: [], text: "", isRegex: false, isCaseSensitive: false, context: 0 };

test("what is kept is shown first, and then what comes, with no line twice", async () => {
  vi.useFakeTimers();
  const asked: string[] = [];
  vi.stubGlobal("fetch", async (path: string) => {
    asked.push(path);
    return path.includes("/follow")
      ? streamOf(
          { sources: [view("aaaa")], problems: [] },
          { lines: [told(2, 1, "two"), told(3, 2, "three")], missed: 0 },
          { lines: [], missed: 7 },
        )
      : page([told(2, 1, "two"), told(1, 0, "one")], "older");
  });
  const model = new LogModel({ choice: NOBODY, filter: EVERYTHING, isOnlyMatches: false, atUs: null });
  model.start();
  await vi.advanceTimersByTimeAsync(100);
  expect(model.buffer.entries.map((each) => each.text)).toEqual(["one", "two", "three"]);
  expect([model.phase, model.missed, model.hasOlder]).toEqual(["live", 7, true]);
  expect(asked[1]).toContain("after_us=2");
  model.stop();
});

test("while somebody reads, what comes waits and is counted", async () => {
  vi.useFakeTimers();
  const many = Array.from({ length: WAITING_MAX + 1 }, (_, index) =>
    told(10 + index, 5 + index, `new ${index}`),
  );
  let pages = 0;
  vi.stubGlobal("fetch", async (path: string) => {
    if (path.includes("/follow"))
      return streamOf({ sources: [view("aaaa")], problems: [] }, { lines: many, missed: 0 });
    pages += 1;
    return page([told(1, 0, "one")]);
  });
  const model = new LogModel({ choice: NOBODY, filter: EVERYTHING, isOnlyMatches: false, atUs: null });
  model.setFollowing(false);
  model.start();
  await vi.advanceTimersByTimeAsync(100);
  expect([model.buffer.entries.length, model.waiting]).toEqual([1, WAITING_MAX + 1]);
  model.setFollowing(true);
  await vi.advanceTimersByTimeAsync(10);
  // More waited than is held: the end is read anew.
  expect(pages).toBe(2);
  model.stop();
});
