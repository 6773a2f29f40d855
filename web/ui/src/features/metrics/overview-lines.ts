import { HOST_SUBJECT, seriesOf } from "@/api/metrics";
import type { HostLiveView } from "@/api/openapi";

/** One series of all hosts together, over the moments of any of them. */
export interface Together {
  timesMs: number[];
  values: (number | null)[];
}

const SLOT_MS = 10_000;

/**
 * Sums or means over hosts, slot by slot. A slot of which one host has not told yet, as the newest often is, is left
 * out of the end: half a cluster's sum is no sum of it.
 */
export function together(hosts: readonly HostLiveView[], metric: string, how: "sum" | "mean"): Together {
  const slots = new Map<number, number[]>();
  let telling = 0;
  for (const host of hosts) {
    const series = seriesOf(host, HOST_SUBJECT, metric);
    if (series === undefined) continue;
    telling += 1;
    host.times_ms.forEach((time, place) => {
      const value = series.values[place];
      if (value == null) return;
      const slot = Math.round(time / SLOT_MS) * SLOT_MS;
      const known = slots.get(slot);
      if (known === undefined) slots.set(slot, [value]);
      else known.push(value);
    });
  }
  const timesMs = [...slots.keys()].sort((one, other) => one - other);
  while (timesMs.length > 1 && (slots.get(timesMs.at(-1) ?? 0)?.length ?? 0) < telling) timesMs.pop();
  return {
    timesMs,
    values: timesMs.map((time) => {
      const known = slots.get(time) ?? [];
      const sum = known.reduce((total, value) => total + value, 0);
      return known.length === 0 ? null : how === "sum" ? sum : sum / known.length;
    }),
  };
}
