import { expect, test } from "vitest";
import { Ndjson } from "./ndjson";

test("values come when their line is complete, however the stream is cut", () => {
  const text = '{"a":1}\n\n{"b":"x\\ny"}\n{"c":3}';
  for (let cut = 0; cut <= text.length; cut += 1) {
    const parser = new Ndjson();
    expect([...parser.push(text.slice(0, cut)), ...parser.push(text.slice(cut))]).toEqual([
      { a: 1 },
      { b: "x\ny" },
    ]);
    expect(parser.push("\n")).toEqual([{ c: 3 }]);
  }
});
