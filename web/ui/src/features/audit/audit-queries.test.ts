import { describe, expect, it } from "vitest";
import { filterOf } from "./audit-queries";

describe("the filter of the audit", () => {
  it("leaves out what fits everything", () => {
    expect(filterOf({ actor: "", outcome: undefined })).toEqual({});
  });

  it("means the last day whole", () => {
    const filter = filterOf({ since: "2026-03-02", until: "2026-03-02" });
    expect(Number(filter.until_ms) - Number(filter.since_ms)).toBe(86_400_000);
  });

  it("passes over days that are none", () => {
    expect(filterOf({ since: "soon", actor: "ann" })).toEqual({ actor: "ann" });
  });
});
