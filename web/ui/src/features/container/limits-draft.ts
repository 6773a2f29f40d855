import type { LimitsBody } from "@/api/openapi";
import { bytesIn, numberIn } from "@/lib/amounts";

/** What is typed of limits, and what of it changes something. Texts as they stand in the fields. */

export interface LimitsDraft {
  memory: string;
  reservation: string;
  cpus: string;
  shares: string;
  pids: string;
  restart: string;
  restartsMax: string;
}

export type LimitsFault = "amount" | "number" | "small" | "removed";

const MEMORY_MIN_BYTES = 6 * 1024 ** 2;

export function limitChanges(
  kept: LimitsDraft,
  draft: LimitsDraft,
): { changes: Partial<LimitsBody>; faults: Partial<Record<keyof LimitsDraft, LimitsFault>> } {
  const changes: Partial<LimitsBody> = {};
  const faults: Partial<Record<keyof LimitsDraft, LimitsFault>> = {};
  const differs = (key: keyof LimitsDraft) => draft[key].trim() !== kept[key].trim();
  for (const [key, field] of [
    ["memory", "memory_bytes"],
    ["reservation", "memory_reservation_bytes"],
  ] as const) {
    if (!differs(key)) continue;
    const bytes = bytesIn(draft[key]);
    if (draft[key].trim() === "") faults[key] = "removed";
    else if (bytes === null) faults[key] = "amount";
    else if (bytes < MEMORY_MIN_BYTES) faults[key] = "small";
    else changes[field] = bytes;
  }
  for (const [key, field] of [
    ["cpus", "cpus"],
    ["shares", "cpu_shares"],
  ] as const) {
    if (!differs(key)) continue;
    const value = numberIn(draft[key]);
    if (draft[key].trim() === "") faults[key] = "removed";
    else if (value === null || value === 0 || (key === "shares" && !Number.isInteger(value)))
      faults[key] = "number";
    else changes[field] = value;
  }
  if (differs("pids")) {
    // Of these alone the engine takes the limit away while the container lives.
    const value = draft.pids.trim() === "" ? 0 : numberIn(draft.pids);
    if (value === null || !Number.isInteger(value)) faults.pids = "number";
    else changes.pids = value;
  }
  const isCounted = draft.restart === "on-failure";
  if (differs("restart") || (isCounted && differs("restartsMax"))) {
    const most = isCounted ? numberIn(draft.restartsMax) : 0;
    if (most === null || !Number.isInteger(most)) faults.restartsMax = "number";
    else {
      changes.restart_policy = draft.restart as LimitsBody["restart_policy"];
      changes.restarts_max = most;
    }
  }
  return { changes, faults };
}
