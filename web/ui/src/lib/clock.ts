import { useSyncExternalStore } from "react";

/**
 * The server's time, as this page knows it: its own clock, corrected by what answers said. Ages of what hosts
 * report would otherwise be wrong on a machine whose clock is off.
 */
let skewMs = 0;
let nowMs = Date.now();
let timer: ReturnType<typeof setInterval> | null = null;
const listeners = new Set<() => void>();

/** Learn from a `Date` header, which counts in whole seconds: a difference below two is not one. */
export function learnServerTime(serverMs: number): void {
  const difference = serverMs - Date.now();
  skewMs = Math.abs(difference) > 2_000 ? difference : 0;
}

export function serverNow(): number {
  return serverTimeOf(Date.now());
}

/** The server's time at a moment of this page's own clock. */
export function serverTimeOf(localMs: number): number {
  return localMs + skewMs;
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  nowMs = serverNow();
  timer ??= setInterval(() => {
    nowMs = serverNow();
    for (const each of listeners) each();
  }, 1_000);
  return () => {
    listeners.delete(listener);
    if (listeners.size === 0 && timer !== null) {
      clearInterval(timer);
      timer = null;
    }
  };
}

/** The server's time, rendered again every second. One timer serves the whole page. */
export function useNow(): number {
  return useSyncExternalStore(subscribe, () => nowMs);
}
