import { describe, expect, it } from "vitest";
import { filterOf } from "./audit-queries";

describe("the filter of the audit", () => {
  it("leaves out what fits everything", () => {
    expect(filterOf({ actor: "", outcome: undefined })).toEqual({});
  });

  it("means the last day whole, also one on which the clocks change", () => {
    // Wherever this runs: zones that change their clocks do so within a year.
    for (let day = new Date(2026, 0, 1); day.getFullYear() === 2026; ) {
      const name = [day.getFullYear(), day.getMonth() + 1, day.getDate()]
        .map((part) => String(part).padStart(2, "0"))
        .join("-");
      const next = new Date(day.getFullYear(), day.getMonth(), day.getDate() + 1);
      expect(filterOf({ since: name, until: name })).toEqual({
        since_ms: day.getTime(),
        until_ms: next.getTime(),
      });
      day = next;
    }
  });

  it("passes over days that are none", () => {
    expect(filterOf({ since: "soon", actor: "ann" })).toEqual({ actor: "ann" });
  });
});
