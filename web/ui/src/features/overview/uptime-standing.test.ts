import { expect, test } from "vitest";
import type { ContainerView, UptimeView } from "@/api/openapi";
import { standingOf, toneOf } from "./uptime-standing";

const SHOP = { kind: "project", name: "shop" } as UptimeView;

function container(more: Partial<ContainerView>): ContainerView {
  return {
    project: "shop",
    node_name: "h1",
    state: "running",
    health: "",
    status: "",
    ...more,
  } as ContainerView;
}

test("a group is well when all of it runs, half well when some does, and down when nothing does", () => {
  const well = container({});
  const sick = container({ health: "unhealthy" });
  expect(standingOf(SHOP, [well, well])).toEqual({ tone: "ok", healthy: 2, total: 2 });
  expect(standingOf(SHOP, [well, sick])).toEqual({ tone: "warn", healthy: 1, total: 2 });
  expect(standingOf(SHOP, [sick])).toEqual({ tone: "bad", healthy: 0, total: 1 });
});

test("a job that ended well is not missed, and one that failed is", () => {
  const done = container({ state: "exited", status: "Exited (0) 2 hours ago" });
  const failed = container({ state: "exited", status: "Exited (1) 2 hours ago" });
  expect(standingOf(SHOP, [container({}), done])).toEqual({ tone: "ok", healthy: 1, total: 1 });
  expect(standingOf(SHOP, [container({}), failed])).toMatchObject({ tone: "warn" });
  expect(standingOf(SHOP, [done])).toMatchObject({ tone: "neutral", total: 0 });
});

test("containers of no project are those of their host alone", () => {
  const host = { kind: "host", name: "h1" } as UptimeView;
  const others = [container({}), container({ project: "", node_name: "h2" })];
  expect(standingOf(host, [...others, container({ project: "" })])).toMatchObject({ total: 1 });
});

test("all of the time is well, and a tenth missing is bad", () => {
  expect([1, 0.99, 0.5].map(toneOf)).toEqual(["ok", "warn", "bad"]);
});
