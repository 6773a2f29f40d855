import type { PlanState } from "@/api/openapi";
import type { Tone } from "@/components/ui/badge";

export const STATE_TONES: Readonly<Record<PlanState, Tone>> = {
  waiting: "warn",
  running: "accent",
  done: "ok",
  failed: "bad",
  unknown: "bad",
  refused: "neutral",
  withdrawn: "neutral",
  stale: "neutral",
  expired: "neutral",
};
