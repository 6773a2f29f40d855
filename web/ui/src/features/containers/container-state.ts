import type { ContainerView } from "@/api/types";
import type { Tone } from "@/components/ui/badge";

export interface ContainerState {
  tone: Tone;
  word: string;
  /** What Docker adds, such as "Up 3 hours". */
  detail: string;
}

export const STATE_FILTERS = ["running", "unhealthy", "stopped"] as const;
export type StateFilter = (typeof STATE_FILTERS)[number];

export function stateOf(container: ContainerView): ContainerState {
  const detail = container.status.replace(/\s*\((healthy|unhealthy|health: starting)\)$/i, "");
  switch (container.state) {
    case "running":
      return { ...runningState(container.health), detail };
    case "restarting":
      return { tone: "warn", word: "restarting", detail };
    case "paused":
      return { tone: "warn", word: "paused", detail };
    case "dead":
      return { tone: "bad", word: "dead", detail };
    case "exited":
      return { tone: exitCode(container.status) === 0 ? "neutral" : "warn", word: "exited", detail };
    default:
      return { tone: "neutral", word: container.state, detail };
  }
}

function runningState(health: string): { tone: Tone; word: string } {
  if (health === "unhealthy") return { tone: "bad", word: "unhealthy" };
  if (health === "starting") return { tone: "accent", word: "starting" };
  return { tone: "ok", word: health === "healthy" ? "healthy" : "running" };
}

/** From Docker's own words: "Exited (137) 2 hours ago". 0 when it does not say. */
function exitCode(status: string): number {
  return Number(/\((\d+)\)/.exec(status)?.[1] ?? 0);
}

export function isRunning(container: ContainerView): boolean {
  return container.state === "running" || container.state === "restarting" || container.state === "paused";
}

export function fitsState(container: ContainerView, filter: StateFilter): boolean {
  switch (filter) {
    case "running":
      return isRunning(container);
    case "unhealthy":
      return (
        container.health === "unhealthy" || container.state === "restarting" || container.state === "dead"
      );
    case "stopped":
      return !isRunning(container);
  }
}
