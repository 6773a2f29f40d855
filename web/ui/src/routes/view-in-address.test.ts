import { expect, test } from "vitest";
import { EVERYTHING } from "@/features/containers/container-rows";
import { ViewInAddress } from "./view-in-address";

test("what is typed before the address follows builds on what was typed", () => {
  const kept = new ViewInAddress(EVERYTHING);
  kept.change({ text: "s" });
  kept.change({ text: "sh" });
  const last = kept.change({ host: "h2" });
  expect(last).toEqual({ ...EVERYTHING, text: "sh", host: "h2" });
});

test("an address that is on its way takes nothing back", () => {
  const kept = new ViewInAddress(EVERYTHING);
  const first = kept.change({ text: "s" });
  const second = kept.change({ text: "sh" });
  expect(kept.see(first)).toBe(false);
  expect(kept.view).toEqual(second);
  expect(kept.see(second)).toBe(false);
  expect(kept.view).toEqual(second);
});

test("an address that skipped some steps is still one's own", () => {
  const kept = new ViewInAddress(EVERYTHING);
  kept.change({ text: "s" });
  const second = kept.change({ text: "sh" });
  expect(kept.see(second)).toBe(false);
  expect(kept.see(EVERYTHING)).toBe(true);
});

test("an address that somebody else changed is taken over", () => {
  const kept = new ViewInAddress(EVERYTHING);
  kept.see(kept.change({ text: "shop" }));
  expect(kept.see({ ...EVERYTHING, host: "h3" })).toBe(true);
  expect(kept.view).toEqual({ ...EVERYTHING, host: "h3" });
});

test("going back to what was is taken over although it was written before", () => {
  const kept = new ViewInAddress(EVERYTHING);
  const first = kept.change({ host: "h1" });
  kept.see(first);
  kept.see(kept.change({ host: "h2" }));
  expect(kept.see(first)).toBe(true);
  expect(kept.view).toEqual(first);
});
