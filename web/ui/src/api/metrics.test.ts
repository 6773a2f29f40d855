import { expect, test } from "vitest";
import { extendTo, latest, mergeLive, newestOf, seriesOf } from "./metrics";
import type { HostLiveView } from "./openapi";

function host(times: number[], values: (number | null)[], node = "n1"): HostLiveView {
  return { node_id: node, times_ms: times, series: [{ subject: "host", metric: "cpu_percent", values }] };
}

test("newer slots are added, and one that comes again is replaced", () => {
  expect(mergeLive([host([10, 20, 30], [1, 2, 3])], [host([30, 40], [3.5, 4])])).toEqual([
    host([10, 20, 30, 40], [1, 2, 3.5, 4]),
  ]);
});

test("a whole window takes the place of what was known", () => {
  expect(mergeLive([host([10, 20], [1, 2])], [host([10, 20, 30], [7, 8, 9])])).toEqual([
    host([10, 20, 30], [7, 8, 9]),
  ]);
});

test("hosts that an update does not name keep what they have", () => {
  const other = host([10], [1], "n2");
  expect(mergeLive([other], [host([10], [5])])).toEqual([other, host([10], [5])]);
});

test("an update without slots changes nothing", () => {
  const known = host([10], [1]);
  expect(mergeLive([known], [host([], [])])).toEqual([known]);
});

test("a series that is new has gaps where it was not there yet", () => {
  const update: HostLiveView = {
    node_id: "n1",
    times_ms: [20],
    series: [
      { subject: "host", metric: "cpu_percent", values: [2] },
      { subject: "abc", metric: "cpu_percent", values: [50] },
    ],
  };
  const [merged] = mergeLive([host([10], [1])], [update]);
  expect(seriesOf(merged, "abc", "cpu_percent")?.values).toEqual([null, 50]);
  expect(seriesOf(merged, "host", "cpu_percent")?.values).toEqual([1, 2]);
});

test("the window stays bounded", () => {
  let known: HostLiveView[] = [];
  for (let slot = 0; slot < 500; slot += 1) known = mergeLive(known, [host([slot, slot + 1], [slot, slot])]);
  const [merged] = known;
  expect(merged?.times_ms.length).toBeLessThanOrEqual(66);
  expect(merged?.times_ms.at(-1)).toBe(500);
  expect(merged?.series[0]?.values.length).toBe(merged?.times_ms.length);
});

test("the newest number of each container is its last sample", () => {
  const live: HostLiveView = {
    node_id: "n1",
    times_ms: [10, 20],
    series: [
      { subject: "host", metric: "cpu_percent", values: [1, 2] },
      { subject: "abc", metric: "cpu_percent", values: [7, null] },
      { subject: "abc", metric: "memory_bytes", values: [null, 512] },
      { subject: "abc", metric: "pids", values: [3, 3] },
    ],
  };
  expect(Object.fromEntries(newestOf([live]))).toEqual({ abc: { cpu_percent: 7, memory_bytes: 512 } });
  expect(latest(undefined)).toBeNull();
});

test("of a host that stopped telling, what is missing is a gap, and the window keeps its length", () => {
  const told = {
    node_id: "a",
    times_ms: [10_000, 20_000, 30_000],
    series: [{ subject: "host", metric: "cpu_percent", values: [1, 2, 3] }],
  };
  const extended = extendTo(told, 50_000);
  expect(extended.times_ms).toEqual([30_000, 40_000, 50_000]);
  expect(extended.series[0]?.values).toEqual([3, null, null]);
  expect(extendTo(told, 30_000)).toBe(told);
  expect(extendTo(told, 900_000).series[0]?.values).toEqual([null, null, null]);
});
