import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { dismiss, hold, release, showDone, shownToasts } from "./toast-store";

const titles = () => shownToasts().map(({ title }) => title);

beforeEach(() => {
  vi.useFakeTimers();
});

afterEach(() => {
  release();
  for (const { id } of shownToasts()) dismiss(id);
  vi.useRealTimers();
});

test("a notice goes by itself, later when there is something to press", () => {
  showDone("Saved");
  showDone("Stopped web", "", { label: "Undo", run: () => {} });
  vi.advanceTimersByTime(6_000);
  expect(titles()).toEqual(["Stopped web"]);
  vi.advanceTimersByTime(7_000);
  expect(titles()).toEqual([]);
});

test("while somebody is at the notices none goes by itself, and afterwards each has its whole time again", () => {
  showDone("Saved");
  hold();
  showDone("Saved again");
  vi.advanceTimersByTime(60_000);
  expect(titles()).toEqual(["Saved", "Saved again"]);
  release();
  vi.advanceTimersByTime(4_000);
  expect(titles()).toEqual(["Saved", "Saved again"]);
  vi.advanceTimersByTime(2_000);
  expect(titles()).toEqual([]);
});

test("of many notices the newest are shown", () => {
  for (const title of ["1", "2", "3", "4", "5"]) showDone(title);
  expect(titles()).toEqual(["2", "3", "4", "5"]);
});
