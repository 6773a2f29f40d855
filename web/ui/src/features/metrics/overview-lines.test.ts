import { expect, test } from "vitest";
import type { HostLiveView } from "@/api/openapi";
import { together } from "./overview-lines";

function host(node: string, times: number[], values: (number | null)[]): HostLiveView {
  return { node_id: node, times_ms: times, series: [{ subject: "host", metric: "cpu_percent", values }] };
}

test("hosts are added up slot by slot, though their clocks differ a little", () => {
  const hosts = [host("a", [10_000, 20_000], [1, 2]), host("b", [10_400, 19_800], [10, 20])];
  expect(together(hosts, "cpu_percent", "sum")).toEqual({ timesMs: [10_000, 20_000], values: [11, 22] });
  expect(together(hosts, "cpu_percent", "mean").values).toEqual([5.5, 11]);
});

test("a slot that one host has not told of yet is no drop at the end", () => {
  const hosts = [host("a", [10_000, 20_000], [1, 2]), host("b", [10_000], [10])];
  expect(together(hosts, "cpu_percent", "sum")).toEqual({ timesMs: [10_000], values: [11] });
});

test("without hosts, or without the metric, there is nothing", () => {
  expect(together([], "cpu_percent", "sum")).toEqual({ timesMs: [], values: [] });
  expect(together([host("a", [10_000], [1])], "load_1", "sum").values).toEqual([]);
});
