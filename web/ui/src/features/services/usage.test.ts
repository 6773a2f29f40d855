import { expect, test } from "vitest";
import type { HostLiveView } from "@/api/openapi";
import { totalOf } from "./usage";

const host = (times_ms: number[], ...series: [string, (number | null)[]][]): HostLiveView => ({
  node_id: "n",
  times_ms,
  series: series.map(([subject, values]) => ({ subject, metric: "cpu_percent", values })),
});

test("replicas of several hosts are added up, slot by slot, and gaps stay gaps", () => {
  const hosts = [
    host([0, 10_000, 20_000], ["a", [1, null, 3]]),
    host([3, 30_003], ["b", [10, 20]], ["z", [99, 99]]),
  ];
  expect(totalOf(hosts, new Set(["a", "b"]), "cpu_percent")).toEqual([11, null, 3, 20]);
});

test("what is not measured has no course", () => {
  expect(totalOf([host([0], ["host", [5]])], new Set(["host"]), "cpu_percent")).toEqual([]);
  expect(totalOf([host([0], ["a", [5]])], new Set(["a"]), "memory_bytes")).toEqual([]);
});
