import type { ContainerView } from "@/api/openapi";
import type { Tone } from "@/components/ui/badge";

export interface ContainerState {
  tone: Tone;
  word: string;
  /** Since when, and why. */
  detail: string;
}

export const STATE_FILTERS = ["running", "unhealthy", "stopped"] as const;
export type StateFilter = (typeof STATE_FILTERS)[number];

export function stateOf(container: ContainerView): ContainerState {
  const { code, time } = parseStatus(container.status);
  switch (container.state) {
    case "running":
      return { ...runningState(container.health), detail: time };
    case "restarting":
      return { tone: "warn", word: "restarting", detail: code === 0 ? time : `after code ${code}` };
    case "paused":
      return { tone: "warn", word: "paused", detail: time };
    case "dead":
      return { tone: "bad", word: "dead", detail: time };
    case "exited":
      return code === 0
        ? { tone: "neutral", word: "exited", detail: time }
        : { tone: "warn", word: "exited", detail: `code ${code}, ${time}` };
    default:
      return { tone: "neutral", word: container.state, detail: "" };
  }
}

function runningState(health: string): { tone: Tone; word: string } {
  if (health === "unhealthy") return { tone: "bad", word: "unhealthy" };
  if (health === "starting") return { tone: "accent", word: "starting" };
  return { tone: "ok", word: health === "healthy" ? "healthy" : "running" };
}

/** Docker's own words, such as "Up 3 hours (healthy)" or "Exited (137) 2 hours ago", taken apart. */
function parseStatus(status: string): { code: number; time: string } {
  const [, code = "0", time = ""] =
    /^(?:Up|Exited|Restarting|Dead)?\s*(?:\((\d+)\))?\s*([^(]*)/.exec(status) ?? [];
  return { code: Number(code), time: time.trim().replace(/^[A-Z]/, (letter) => letter.toLowerCase()) };
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
