import { QueryClient } from "@tanstack/react-query";
import { beforeEach, expect, test } from "vitest";
import { pastAlertsQuery } from "./alerts";
import { applyLive } from "./live-cache";
import type { AlertView, ContainerView, RolloutView, ServiceView } from "./openapi";
import {
  containersQuery,
  lateAlertsQuery,
  metricsQuery,
  openAlertsQuery,
  rolloutsQuery,
  servicesQuery,
} from "./queries";

let client: QueryClient;

beforeEach(() => {
  client = new QueryClient();
});

const container = (id: string, more: Partial<ContainerView> = {}) =>
  ({ id, node_id: "n1", name: id, cpu_percent: 1, memory_bytes: 10, ...more }) as ContainerView;
const service = (id: string, revision = 1) => ({ id, revision }) as ServiceView;
const rollout = (id: string, started_at_ms: number) => ({ id, started_at_ms }) as RolloutView;

test("changed containers replace their own row, and removed ones go", () => {
  applyLive(client, { topic: "containers", data: { items: [container("a"), container("b")], problems: [] } });
  applyLive(client, {
    topic: "containers",
    changed: [container("b", { name: "renamed" }), container("c")],
    removed: [{ node_id: "n1", id: "a" }],
    problems: [{ node_id: "n2", node_name: "h2", reason: "gone" }],
  });
  const list = client.getQueryData(containersQuery.queryKey);
  expect(list?.containers.map((each) => each.name)).toEqual(["renamed", "c"]);
  expect(list?.problems).toHaveLength(1);
});

test("a container of the same id on another host is another container", () => {
  applyLive(client, {
    topic: "containers",
    data: { items: [container("a"), container("a", { node_id: "n2" })], problems: [] },
  });
  applyLive(client, {
    topic: "containers",
    changed: [],
    removed: [{ node_id: "n2", id: "a" }],
    problems: [],
  });
  expect(client.getQueryData(containersQuery.queryKey)?.containers.map((each) => each.node_id)).toEqual([
    "n1",
  ]);
});

test("changes before the list itself are left to the list", () => {
  applyLive(client, { topic: "containers", changed: [container("a")], removed: [], problems: [] });
  expect(client.getQueryData(containersQuery.queryKey)).toBeUndefined();
});

test("metrics bring the numbers of containers, and leave the others as they were", () => {
  const quiet = container("quiet");
  applyLive(client, { topic: "containers", data: { items: [container("busy"), quiet], problems: [] } });
  applyLive(client, {
    topic: "metrics",
    data: [
      { node_id: "n1", times_ms: [10], series: [{ subject: "busy", metric: "cpu_percent", values: [88] }] },
    ],
  });
  const [busy, other] = client.getQueryData(containersQuery.queryKey)?.containers ?? [];
  expect([busy?.cpu_percent, busy?.memory_bytes]).toEqual([88, 10]);
  expect(other).toBe(quiet);
  expect(client.getQueryData(metricsQuery.queryKey)).toHaveLength(1);
});

test("services and rollouts are kept up by their changes", () => {
  applyLive(client, {
    topic: "services",
    data: { items: [service("b"), service("c")], rollouts: [rollout("r1", 5)] },
  });
  applyLive(client, {
    topic: "services",
    changed: [service("b", 2), service("a")],
    removed: ["c"],
    rollouts: [rollout("r2", 9)],
  });
  expect(client.getQueryData(servicesQuery.queryKey)?.map((each) => [each.id, each.revision])).toEqual([
    ["a", 1],
    ["b", 2],
  ]);
  expect(client.getQueryData(rolloutsQuery.queryKey)?.map((each) => each.id)).toEqual(["r2", "r1"]);
});

test("alerts that changed replace their own, new ones come first, and those that are over go", () => {
  const alert = (number: number, state = "firing") => ({ number, state }) as AlertView;
  applyLive(client, { topic: "alerts", data: { items: [alert(1), alert(3)] } });
  applyLive(client, {
    topic: "alerts",
    event: "alert:new",
    new: [4],
    changed: [alert(4), alert(3, "acknowledged")],
    removed: [1],
  });
  const open = client.getQueryData(openAlertsQuery.queryKey);
  expect(open?.map(({ number, state }) => [number, state])).toEqual([
    [4, "firing"],
    [3, "acknowledged"],
  ]);
});

test("what is told of an alert makes lists of alerts that are over old", () => {
  const alert = (number: number) => ({ number, state: "resolved" }) as AlertView;
  client.setQueryData(lateAlertsQuery.queryKey, [alert(1)]);
  client.setQueryData(pastAlertsQuery.queryKey, [alert(1)]);
  applyLive(client, { topic: "alerts", event: "alert:new", new: [], changed: [], removed: [2] });
  for (const { queryKey } of [lateAlertsQuery, pastAlertsQuery]) {
    expect(client.getQueryState(queryKey)?.isInvalidated).toBe(true);
  }
});
