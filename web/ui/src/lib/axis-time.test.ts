import { expect, test } from "vitest";
import { stepLabel, tickLabel } from "./axis-time";

const at = (hours: number, minutes = 0, seconds = 0) =>
  new Date(2026, 10, 12, hours, minutes, seconds).getTime();
const MINUTE = 60_000;
const DAY = 86_400_000;

test("a tick says as much as tells it from the next", () => {
  expect(tickLabel(at(14, 3, 20), 10_000)).toBe("14:03:20");
  expect(tickLabel(at(14, 3), 5 * MINUTE)).toBe("14:03");
  expect(tickLabel(at(14), 7 * DAY)).toBe("12 Nov");
  expect(tickLabel(at(14), 31 * DAY)).toBe("Nov 2026");
});

test("at midnight it is the day that begins", () => {
  expect(tickLabel(at(0), 60 * MINUTE)).toBe("12 Nov");
});

test("a value of a whole day has no hour", () => {
  expect(stepLabel(at(0), DAY)).toBe("12 Nov");
  expect(stepLabel(at(14, 3), 60 * MINUTE)).toContain("14:03");
});
