import { describe, expect, it } from "vitest";
import { changesIn } from "./recorded-changes";

describe("the reason of an entry", () => {
  it("is taken apart into what was changed and the rest", () => {
    expect(
      changesIn('role admin; through mcp; changed soak_s: 1800 → 600; changed hosts: [] → ["h2","h3"]'),
    ).toEqual({
      reason: "role admin; through mcp",
      changes: [
        { field: "soak_s", before: "1800", after: "600" },
        { field: "hosts", before: "", after: "h2, h3" },
      ],
    });
  });

  it("leaves values whole that look like something else", () => {
    expect(changesIn('changed note: "a; b → \\"c\\"" → null').changes).toEqual([
      { field: "note", before: 'a; b → "c"', after: null },
    ]);
  });

  it("stays as it is where it says nothing of changes", () => {
    expect(changesIn('it was "too slow; changed my mind')).toEqual({
      reason: 'it was "too slow; changed my mind',
      changes: [],
    });
    expect(changesIn("")).toEqual({ reason: "", changes: [] });
    expect(changesIn("changed soak_s: 1800 →").changes).toEqual([]);
  });
});
