import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { fetched } from "./fetched";

beforeEach(() => {
  vi.useFakeTimers();
});

afterEach(() => {
  vi.useRealTimers();
});

test("what a changing network refused is fetched again", async () => {
  const load = vi.fn().mockRejectedValueOnce(new TypeError("Failed to fetch")).mockResolvedValue("module");
  const module = fetched(load);
  await vi.advanceTimersByTimeAsync(250);
  await expect(module).resolves.toBe("module");
  expect(load).toHaveBeenCalledTimes(2);
});

test("what stays away is given up with its reason after four times", async () => {
  const load = vi.fn().mockRejectedValue(new TypeError("Failed to fetch"));
  const ended = expect(fetched(load)).rejects.toThrow("Failed to fetch");
  await vi.advanceTimersByTimeAsync(10_000);
  await ended;
  expect(load).toHaveBeenCalledTimes(4);
});
