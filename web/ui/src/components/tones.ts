import type { NodeView, RolloutView } from "@/api/openapi";
import type { Tone } from "./ui/badge";

/** What states that several pages show are like. */

export const HOST_TONES: Readonly<Record<NodeView["status"], Tone>> = {
  up: "ok",
  suspect: "warn",
  down: "bad",
  left: "neutral",
};

export const ROLLOUT_TONES: Readonly<Record<RolloutView["phase"], Tone>> = {
  running: "accent",
  paused: "warn",
  "rolling-back": "warn",
  succeeded: "ok",
  "rolled-back": "warn",
  failed: "bad",
  cancelled: "neutral",
};

/** Of entries of the audit. */
export const OUTCOME_TONES: Readonly<Record<string, Tone>> = {
  applied: "ok",
  rejected: "warn",
  denied: "bad",
  failed: "bad",
};

export const SEVERITY_TONES: Readonly<Record<string, Tone>> = {
  critical: "bad",
  warning: "warn",
  info: "accent",
};
