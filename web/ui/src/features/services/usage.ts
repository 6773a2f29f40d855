import { HOST_SUBJECT } from "@/api/metrics";
import type { HostLiveView } from "@/api/openapi";

const SLOT_MS = 10_000;

/**
 * One metric of several containers together, slot by slot of ten seconds, over all their hosts. A slot is known
 * when any of them was measured in it; those that were not add nothing, as containers come and go in a rollout.
 */
export function totalOf(
  hosts: readonly HostLiveView[],
  containerIds: ReadonlySet<string>,
  metric: string,
): (number | null)[] {
  const slots = new Map<number, number>();
  let first = Number.POSITIVE_INFINITY;
  let last = Number.NEGATIVE_INFINITY;
  for (const host of hosts) {
    for (const series of host.series) {
      if (series.metric !== metric || series.subject === HOST_SUBJECT || !containerIds.has(series.subject))
        continue;
      series.values.forEach((value, index) => {
        const time = host.times_ms[index];
        if (value === null || time === undefined) return;
        const slot = Math.floor(time / SLOT_MS);
        slots.set(slot, (slots.get(slot) ?? 0) + value);
        first = Math.min(first, slot);
        last = Math.max(last, slot);
      });
    }
  }
  if (slots.size === 0) return [];
  return Array.from({ length: last - first + 1 }, (_, index) => slots.get(first + index) ?? null);
}
