import { describe, expect, it } from "vitest";
import { waitText } from "./wait-text";

describe("how long there is to wait", () => {
  it.each([
    [1, "1 s"],
    [59, "59 s"],
    [60, "1:00 min"],
    [65, "1:05 min"],
    [900, "15:00 min"],
  ])("%i seconds are %s", (seconds, text) => {
    expect(waitText(seconds)).toBe(text);
  });
});
