import { describe, expect, it } from "vitest";
import { bodyOf, faultsOf, NEW_EXPERIMENT, permilleOf, usualReplicas } from "./experiment-draft";

const NOW_MS = Date.UTC(2026, 2, 1);
const READY = { ...NEW_EXPERIMENT, image: "shop/web:5" };
const BETA = { key: 1, kind: "header", name: "X-Beta", value: "yes" } as const;

describe("an experiment that is typed", () => {
  it("needs to say what b is", () => {
    expect([...faultsOf(NEW_EXPERIMENT, 4, NOW_MS)]).toEqual(["image"]);
    expect([...faultsOf({ ...NEW_EXPERIMENT, from: "file" }, 4, NOW_MS)]).toEqual(["compose"]);
    expect(faultsOf(READY, 4, NOW_MS).size).toBe(0);
  });

  it("gives b some requests, and never all", () => {
    expect([...faultsOf({ ...READY, percent: "" }, 4, NOW_MS)]).toEqual(["requests"]);
    expect([...faultsOf({ ...READY, percent: "100" }, 4, NOW_MS)]).toEqual(["percent"]);
    expect(faultsOf({ ...READY, percent: "", matches: [BETA] }, 4, NOW_MS).size).toBe(0);
    expect(permilleOf({ ...READY, percent: "12,5" })).toBe(125);
  });

  it("has as many replicas as its share needs, and never more than a", () => {
    expect(usualReplicas(READY, 8)).toBe(2);
    expect(usualReplicas({ ...READY, percent: "90" }, 4)).toBe(4);
    expect(usualReplicas({ ...READY, matches: [BETA] }, 4)).toBe(4);
    expect([...faultsOf({ ...READY, replicas: "5" }, 4, NOW_MS)]).toEqual(["replicas"]);
  });

  it("ends later than now", () => {
    expect([...faultsOf({ ...READY, ends: "at", until: "2020-01-01T10:00" }, 4, NOW_MS)]).toEqual(["until"]);
    expect([...faultsOf({ ...READY, ends: "after", lasts: "0" }, 4, NOW_MS)]).toEqual(["lasts"]);
  });

  it("is sent as the interface takes it", () => {
    expect(bodyOf({ ...READY, ends: "after", lasts: "2", keep: "b", matches: [BETA] })).toEqual({
      image: "shop/web:5",
      headers: [{ name: "X-Beta", value: "yes" }],
      cookies: [],
      permille: 200,
      sticky: true,
      replicas: null,
      for_s: 172_800,
      until_ms: null,
      keep: "b",
      override_window: false,
    });
    expect(bodyOf({ ...READY, percent: "", matches: [BETA] }).sticky).toBe(null);
    expect(bodyOf({ ...READY, from: "file", compose: "services: {}" }).deployment).toEqual({
      compose: "services: {}",
    });
  });
});
