import type { HostLiveView, SeriesView } from "./openapi";

/** Ten minutes of ten-second slots, and room for a host whose clock runs ahead. */
const SLOTS_MAX = 66;

/**
 * Bring newer slots into what is known. A host's update may be its whole window or only the newest slots; a slot
 * that comes again replaces the one that was there. Hosts that the update does not name keep what they have.
 */
export function mergeLive(known: readonly HostLiveView[], update: readonly HostLiveView[]): HostLiveView[] {
  const byNode = new Map(known.map((host) => [host.node_id, host]));
  for (const host of update) {
    const before = byNode.get(host.node_id);
    byNode.set(host.node_id, before === undefined ? host : mergeHost(before, host));
  }
  return [...byNode.values()];
}

function mergeHost(before: HostLiveView, update: HostLiveView): HostLiveView {
  const firstMs = update.times_ms[0];
  if (firstMs === undefined) return before;
  const kept = before.times_ms
    .filter((time) => time < firstMs)
    .slice(-Math.max(0, SLOTS_MAX - update.times_ms.length));
  if (kept.length === 0) return update;
  const from = before.times_ms.indexOf(kept[0] ?? firstMs);
  const beforeByKey = new Map(before.series.map((series) => [keyOf(series), series]));
  const missing = kept.map(() => null);
  return {
    node_id: update.node_id,
    times_ms: [...kept, ...update.times_ms],
    series: update.series.map((series) => ({
      ...series,
      values: [
        ...(beforeByKey.get(keyOf(series))?.values.slice(from, from + kept.length) ?? missing),
        ...series.values,
      ],
    })),
  };
}

function keyOf(series: SeriesView): string {
  return `${series.subject} ${series.metric}`;
}

/** The newest moment that any host has told of. */
export function newestMs(hosts: readonly HostLiveView[]): number {
  return Math.max(0, ...hosts.map((host) => host.times_ms.at(-1) ?? 0));
}

const SLOT_MS = 10_000;

/** The same window up to a later moment, for a host that has stopped telling: what is missing is a gap. */
export function extendTo(host: HostLiveView, endMs: number): HostLiveView {
  const lastMs = host.times_ms.at(-1);
  if (lastMs === undefined) return host;
  const missing = Math.min(host.times_ms.length, Math.max(0, Math.floor((endMs - lastMs) / SLOT_MS)));
  if (missing === 0) return host;
  const later = Array.from({ length: missing }, (_, slot) => lastMs + (slot + 1) * SLOT_MS);
  const gap = later.map(() => null);
  return {
    ...host,
    times_ms: [...host.times_ms.slice(missing), ...later],
    series: host.series.map((series) => ({ ...series, values: [...series.values.slice(missing), ...gap] })),
  };
}

export const HOST_SUBJECT = "host";

/** One series over the slots of its host; undefined when there is none. */
export function seriesOf(
  host: HostLiveView | undefined,
  subject: string,
  metric: string,
): SeriesView | undefined {
  return host?.series.find((series) => series.subject === subject && series.metric === metric);
}

/** The newest value there is. */
export function latest(series: SeriesView | undefined): number | null {
  return series?.values.findLast((value) => value !== null) ?? null;
}

/** The newest CPU and memory of each container that the update has samples of. */
export function newestOf(
  hosts: readonly HostLiveView[],
): Map<string, { cpu_percent: number | null; memory_bytes: number | null }> {
  const numbers = new Map<string, { cpu_percent: number | null; memory_bytes: number | null }>();
  for (const host of hosts) {
    for (const series of host.series) {
      if (series.subject === HOST_SUBJECT) continue;
      if (series.metric !== "cpu_percent" && series.metric !== "memory_bytes") continue;
      const known = numbers.get(series.subject) ?? { cpu_percent: null, memory_bytes: null };
      numbers.set(series.subject, { ...known, [series.metric]: latest(series) });
    }
  }
  return numbers;
}
