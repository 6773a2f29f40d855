import type { ContainerView } from "@/api/openapi";
import { errorWords } from "@/api/problem";
import { containerKey } from "@/api/queries";
import { serviceOf } from "./container-rows";

/** Enough to be quick, and few enough that no engine chokes on them. */
const AT_ONCE = 4;

export type OutcomeState = "waiting" | "running" | "done" | "failed" | "left";

export interface Outcome {
  container: ContainerView;
  state: OutcomeState;
  /** Why it failed, or what is going to happen by itself. */
  note: string;
}

/** What an action on these would touch, for the question before it. */
export interface Touched {
  hosts: { name: string; count: number }[];
  services: string[];
  projects: string[];
  managed: number;
}

export function touchedBy(containers: readonly ContainerView[]): Touched {
  const counts = new Map<string, number>();
  for (const { node_name } of containers) counts.set(node_name, (counts.get(node_name) ?? 0) + 1);
  const sorted = (values: readonly string[]) => [...new Set(values)].filter(Boolean).sort();
  return {
    hosts: [...counts].sort(([a], [b]) => (a < b ? -1 : 1)).map(([name, count]) => ({ name, count })),
    services: sorted(containers.map(serviceOf)),
    projects: sorted(containers.map(({ project }) => project)),
    managed: containers.filter(({ is_managed }) => is_managed).length,
  };
}

/**
 * Do something to each, a few at once, and tell of every step. `act` gives a note, and raises what keeps it from
 * being done; one that fails does not keep the others. When `signal` aborts, what has not begun is left.
 */
export async function runBulk(
  containers: readonly ContainerView[],
  act: (container: ContainerView) => Promise<string>,
  tell: (outcomes: readonly Outcome[]) => void,
  signal: AbortSignal,
): Promise<readonly Outcome[]> {
  const outcomes = new Map<string, Outcome>(
    containers.map((container) => [containerKey(container), { container, state: "waiting", note: "" }]),
  );
  const set = (container: ContainerView, state: OutcomeState, note = "") => {
    outcomes.set(containerKey(container), { container, state, note });
    tell([...outcomes.values()]);
  };
  const waiting = [...containers];
  const work = async () => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      if (signal.aborted) {
        set(next, "left");
        continue;
      }
      set(next, "running");
      try {
        set(next, "done", await act(next));
      } catch (error) {
        set(next, "failed", errorWords(error));
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(AT_ONCE, containers.length) }, work));
  return [...outcomes.values()];
}
