import { expect, test } from "vitest";
import { parseSpan, spanText } from "./spans";

test.each([
  ["90s", 90],
  ["5m", 300],
  [" 2 H ", 7_200],
  ["10d", 864_000],
  ["45", 45],
  ["", 0],
])("%o is %d seconds", (text, seconds) => expect(parseSpan(text)).toBe(seconds));

test.each(["soon", "5 weeks", "-3m", "1.5h", "99999999d"])("%o is no span", (text) =>
  expect(parseSpan(text)).toBeNull(),
);

test("what was written comes back in its largest unit", () => {
  for (const seconds of [0, 30, 90, 300, 5_400, 7_200, 86_400, 864_000])
    expect(parseSpan(spanText(seconds))).toBe(seconds);
  expect([spanText(300), spanText(5_400), spanText(864_000)]).toEqual(["5m", "90m", "10d"]);
});
