import type { RolloutView, TrafficStep } from "@/api/openapi";

export type StepState = "done" | "now" | "ahead" | "skipped";

/** One share of the requests on the way to all of them. */
export interface ShareStep {
  number: number;
  permille: number;
  holdMs: number;
  needsApproval: boolean;
  state: StepState;
}

/**
 * The shares of a staged rollout, and which of them it has reached. One that is being taken back, or ended before
 * its last share, did not reach those after the present one.
 */
export function shareSteps({ stage, phase }: Pick<RolloutView, "stage" | "phase">): ShareStep[] {
  if (stage === null) return [];
  const isOver = phase !== "running" && phase !== "paused";
  return stage.steps.map((step: TrafficStep, index) => {
    const number = index + 1;
    return {
      number,
      permille: step.permille,
      holdMs: step.hold_ms ?? 0,
      needsApproval: step.needs_approval ?? false,
      state: stateOf(number, stage.step, phase === "succeeded", isOver),
    };
  });
}

function stateOf(number: number, present: number, hasSucceeded: boolean, isOver: boolean): StepState {
  if (hasSucceeded || number < present) return "done";
  if (isOver) return number === present ? "done" : "skipped";
  return number === present ? "now" : "ahead";
}

/** How much time is left, for people: null when nothing is waited for. Negative means that it is over. */
export function leftMs(untilMs: number | null | undefined, nowMs: number): number | null {
  return untilMs == null || untilMs === 0 ? null : untilMs - nowMs;
}
