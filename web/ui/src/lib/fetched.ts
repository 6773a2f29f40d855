import { type ComponentType, lazy } from "react";

const PAUSES_MS = [250, 1_000, 3_000];

/**
 * A part of the dashboard, fetched again when that failed: a network that has just changed refuses what was under
 * way. A part that stays away for longer is somebody's to ask for again.
 */
export async function fetched<Module>(load: () => Promise<Module>): Promise<Module> {
  for (const pauseMs of PAUSES_MS) {
    try {
      return await load();
    } catch {
      await new Promise((resolve) => setTimeout(resolve, pauseMs));
    }
  }
  return load();
}

/** A component whose code is fetched when it is first shown. */
// biome-ignore lint/suspicious/noExplicitAny: as React's own `lazy` has it, whatever the component takes
export function lazily<Component extends ComponentType<any>>(load: () => Promise<{ default: Component }>) {
  return lazy(() => fetched(load));
}
