import { expect, test } from "vitest";
import type { RolloutView } from "@/api/openapi";
import { leftMs, shareSteps } from "./rollout-steps";

const rollout = (phase: RolloutView["phase"], step: number) =>
  ({
    phase,
    stage: {
      step,
      steps: [{ permille: 50, hold_ms: 1_000 }, { permille: 250, needs_approval: true }, { permille: 1_000 }],
    },
  }) as unknown as RolloutView;
const states = (phase: RolloutView["phase"], step: number) =>
  shareSteps(rollout(phase, step)).map((each) => each.state);

test.each([
  ["running", 2, ["done", "now", "ahead"]],
  ["paused", 1, ["now", "ahead", "ahead"]],
  ["succeeded", 3, ["done", "done", "done"]],
  ["rolling-back", 2, ["done", "done", "skipped"]],
  ["rolled-back", 1, ["done", "skipped", "skipped"]],
] as const)("a rollout that is %s at step %d has %o", (phase, step, expected) => {
  expect(states(phase, step)).toEqual(expected);
});

test("a step says for how long it holds, and whether a person is asked", () => {
  const [first, second] = shareSteps(rollout("running", 1));
  expect(first).toMatchObject({ number: 1, permille: 50, holdMs: 1_000, needsApproval: false });
  expect(second).toMatchObject({ holdMs: 0, needsApproval: true });
});

test("a rollout without stages has no shares", () => {
  expect(shareSteps({ phase: "running", stage: null })).toEqual([]);
});

test("what is not waited for has no time left", () => {
  expect([leftMs(null, 5), leftMs(0, 5), leftMs(9, 5), leftMs(3, 5)]).toEqual([null, null, 4, -2]);
});
