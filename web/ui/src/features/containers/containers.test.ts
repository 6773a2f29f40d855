import { expect, test } from "vitest";
import type { ContainerView } from "@/api/openapi";
import { verbsOf } from "./container-actions";
import { choicesOf, EVERYTHING, rowsOf } from "./container-rows";
import { fitsState, stateOf } from "./container-state";

const container = (more: Partial<ContainerView>): ContainerView =>
  ({
    id: more.name ?? "id",
    name: "web",
    image: "nginx",
    state: "running",
    status: "Up 3 hours",
    health: "",
    project: "",
    service: "",
    node_id: "n1",
    node_name: "h1",
    cpu_percent: null,
    memory_bytes: null,
    ...more,
  }) as ContainerView;

test.each([
  [{ status: "Up 3 hours" }, "ok", "running", "3 hours"],
  [{ status: "Up 3 hours (healthy)", health: "healthy" }, "ok", "healthy", "3 hours"],
  [{ status: "Up 4 minutes (unhealthy)", health: "unhealthy" }, "bad", "unhealthy", "4 minutes"],
  [{ status: "Up 3 seconds (health: starting)", health: "starting" }, "accent", "starting", "3 seconds"],
  [{ status: "Up 2 hours (Paused)", state: "paused" }, "warn", "paused", "2 hours"],
  [{ status: "Exited (0) 2 hours ago", state: "exited" }, "neutral", "exited", "2 hours ago"],
  [{ status: "Exited (137) 11 minutes ago", state: "exited" }, "warn", "exited", "code 137, 11 minutes ago"],
  [{ status: "Restarting (1) 5 seconds ago", state: "restarting" }, "warn", "restarting", "after code 1"],
  [{ status: "Created", state: "created" }, "neutral", "created", ""],
  [{ status: "", state: "dead" }, "bad", "dead", ""],
])("%o is shown as %s %s %s", (more, tone, word, detail) => {
  expect(stateOf(container(more))).toEqual({ tone, word, detail });
});

test("the three filters of state part what runs, what is ill, and what does not run", () => {
  const ill = container({ health: "unhealthy" });
  const stopped = container({ state: "exited" });
  expect([fitsState(ill, "running"), fitsState(ill, "unhealthy"), fitsState(ill, "stopped")]).toEqual([
    true,
    true,
    false,
  ]);
  expect([fitsState(stopped, "running"), fitsState(stopped, "stopped")]).toEqual([false, true]);
});

const names = (rows: ContainerView[]) => rows.map((row) => `${row.name}@${row.node_name}`);

test("names are in the order people count in, and equal ones by host", () => {
  const rows = [
    container({ name: "web-10" }),
    container({ name: "web-2", node_id: "n2", node_name: "h2" }),
    container({ name: "web-2" }),
  ];
  expect(names(rowsOf(rows, EVERYTHING))).toEqual(["web-2@h1", "web-2@h2", "web-10@h1"]);
  expect(names(rowsOf(rows, { ...EVERYTHING, isDescending: true }))).toEqual([
    "web-10@h1",
    "web-2@h1",
    "web-2@h2",
  ]);
});

test("what has no number comes after every number", () => {
  const rows = [
    container({ name: "a" }),
    container({ name: "b", cpu_percent: 0 }),
    container({ name: "c", cpu_percent: 9 }),
  ];
  expect(names(rowsOf(rows, { ...EVERYTHING, sort: "cpu", isDescending: true }))).toEqual([
    "c@h1",
    "b@h1",
    "a@h1",
  ]);
});

test("every word of a search has to be somewhere", () => {
  const rows = [container({ name: "api", project: "shop" }), container({ name: "api", project: "blog" })];
  expect(rowsOf(rows, { ...EVERYTHING, text: "  SHOP api " })).toHaveLength(1);
  expect(rowsOf(rows, { ...EVERYTHING, project: "blog", host: "h1" })).toHaveLength(1);
  expect(rowsOf(rows, { ...EVERYTHING, host: "h9" })).toHaveLength(0);
});

test("the choices of a filter are what there is, once", () => {
  expect(
    choicesOf(
      [container({ project: "b" }), container({ project: "" }), container({ project: "b" })],
      (each) => each.project,
    ),
  ).toEqual(["b"]);
});

test("only what makes sense and is allowed is offered", () => {
  const all = () => true;
  expect(verbsOf(container({}), all)).toEqual(["restart", "stop", "remove"]);
  expect(verbsOf(container({ state: "exited" }), all)).toEqual(["start", "remove"]);
  expect(verbsOf(container({ state: "paused" }), all)).toEqual(["unpause", "stop", "remove"]);
  expect(verbsOf(container({}), (action) => action === "container.restart")).toEqual(["restart"]);
  expect(verbsOf(container({}), () => false)).toEqual([]);
});
