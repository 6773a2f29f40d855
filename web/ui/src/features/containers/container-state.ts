import type { ContainerView } from "@/api/openapi";
import type { Tone } from "@/components/ui/badge";
import { textsOf } from "@/lib/i18n";
import { messages } from "./state-messages";

export interface ContainerState {
  tone: Tone;
  word: string;
  /** Since when, and why. */
  detail: string;
}

export const STATE_FILTERS = ["running", "unhealthy", "paused", "stopped"] as const;
export type StateFilter = (typeof STATE_FILTERS)[number];

export function stateOf(container: ContainerView): ContainerState {
  const t = textsOf(messages);
  const { code, time } = parseStatus(container.status);
  switch (container.state) {
    case "running":
      return { ...runningState(container.health), detail: time };
    case "restarting":
      return { tone: "warn", word: t.restarting, detail: code === 0 ? time : t.afterCode(code) };
    case "paused":
      return { tone: "warn", word: t.paused, detail: time };
    case "dead":
      return { tone: "bad", word: t.dead, detail: time };
    case "exited":
      return code === 0
        ? { tone: "neutral", word: t.exited, detail: time }
        : { tone: "warn", word: t.exited, detail: [t.code(code), time].filter(Boolean).join(", ") };
    case "created":
    case "removing":
      return { tone: "neutral", word: t[container.state], detail: "" };
    default:
      return { tone: "neutral", word: container.state, detail: "" };
  }
}

function runningState(health: string): { tone: Tone; word: string } {
  const t = textsOf(messages);
  if (health === "unhealthy") return { tone: "bad", word: t.unhealthy };
  if (health === "starting") return { tone: "accent", word: t.starting };
  return { tone: "ok", word: health === "healthy" ? t.healthy : t.running };
}

/** Docker's own words, such as "Up 3 hours (healthy)" or "Exited (137) 2 hours ago", taken apart. */
function parseStatus(status: string): { code: number; time: string } {
  const [, code = "0", time = ""] =
    /^(?:Up|Exited|Restarting|Dead)?\s*(?:\((\d+)\))?\s*([^(]*)/.exec(status) ?? [];
  return { code: Number(code), time: timeOf(time.trim()) };
}

/** "3 hours ago", "About a minute", "Less than a second" (Docker's `units.HumanDuration`) in our words. */
function timeOf(text: string): string {
  const bare = text.replace(/ ago$/, "");
  const told = durationOf(bare);
  return bare === text ? told : textsOf(messages).ago(told);
}

function durationOf(text: string): string {
  const t = textsOf(messages);
  const counted = /^(\d+) (\w+)$/.exec(text);
  if (counted !== null) {
    const [, count = "", unit = ""] = counted;
    return unit in t.units ? `${count} ${t.units[unit as keyof typeof t.units]}` : text;
  }
  switch (text) {
    case "Less than a second":
      return t.lessThanASecond;
    case "About a minute":
      return t.about(t.aMinute);
    case "About an hour":
      return t.about(t.anHour);
    default:
      return text.replace(/^[A-Z]/, (letter) => letter.toLowerCase());
  }
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
    case "paused":
      return container.state === "paused";
    case "stopped":
      return !isRunning(container);
  }
}

/** How much it wants to be looked at: 0 is ill, 1 ended badly or stands still, 2 does nothing, 3 is well. */
export function urgencyOf(container: ContainerView): 0 | 1 | 2 | 3 {
  if (fitsState(container, "unhealthy")) return 0;
  const { tone } = stateOf(container);
  if (tone === "warn" || tone === "bad") return 1;
  return isRunning(container) ? 3 : 2;
}
