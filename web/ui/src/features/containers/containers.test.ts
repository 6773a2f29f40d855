import { expect, test, vi } from "vitest";
import type { ContainerView } from "@/api/openapi";
import { setLanguage } from "@/lib/i18n";
import { messages as actionMessages } from "./action-messages";
import { divide, needsAsking, undoOf, verbsOf } from "./container-actions";
import { choicesOf, digestOf, EVERYTHING, itemsOf, labelsOf, rowsOf } from "./container-rows";
import { fitsState, stateOf } from "./container-state";
import { leftOutWords } from "./left-out";

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
    is_managed: false,
    labels: {},
    created_at_ms: 0,
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
  expect(verbsOf(container({}), all)).toEqual(["restart", "stop", "pause", "kill", "remove"]);
  expect(verbsOf(container({ state: "exited" }), all)).toEqual(["start", "remove"]);
  expect(verbsOf(container({ state: "paused" }), all)).toEqual(["unpause", "stop", "kill", "remove"]);
  expect(verbsOf(container({}), (action) => action === "container.restart")).toEqual(["restart"]);
  expect(verbsOf(container({}), () => false)).toEqual([]);
});

test("what can be undone says how, but not where a service undoes it by itself", () => {
  expect(undoOf("stop", container({}))).toBe("start");
  expect(undoOf("pause", container({}))).toBe("unpause");
  expect(undoOf("remove", container({}))).toBeNull();
  expect(undoOf("stop", container({ is_managed: true }))).toBeNull();
});

test("what cuts somebody off is asked about first", () => {
  expect((["restart", "stop", "kill", "remove"] as const).every(needsAsking)).toBe(true);
  expect((["start", "pause", "unpause"] as const).some(needsAsking)).toBe(false);
});

test("a label is found by its key, and with a value only by that value", () => {
  const rows = [
    container({ name: "a", labels: { tier: "front" } }),
    container({ name: "b", labels: { tier: "back" } }),
    container({ name: "c" }),
  ];
  expect(names(rowsOf(rows, { ...EVERYTHING, label: "tier" }))).toEqual(["a@h1", "b@h1"]);
  expect(names(rowsOf(rows, { ...EVERYTHING, label: "tier=back" }))).toEqual(["b@h1"]);
  expect(rowsOf(rows, { ...EVERYTHING, label: "tier=" })).toEqual([]);
});

test("labels that programs write for themselves are not offered", () => {
  const labels = { "com.docker.compose.project": "blog", "tower.service": "x", tier: "front", canary: "" };
  expect(labelsOf([container({ labels })])).toEqual(["canary", "tier=front"]);
});

test("groups are by name, and what belongs to none comes last", () => {
  const rows = rowsOf(
    [
      container({ name: "x" }),
      container({ name: "b", project: "shop" }),
      container({ name: "a", project: "shop" }),
      container({ name: "c", project: "blog" }),
    ],
    EVERYTHING,
  );
  const lines = itemsOf(rows, "project").map((item) =>
    item.kind === "group" ? `${item.name}:${item.containers.length}` : item.container.name,
  );
  expect(lines).toEqual(["blog:1", "c", "shop:2", "a", "b", ":1", "x"]);
  expect(itemsOf(rows, "")).toHaveLength(4);
});

test("services of two projects that are called alike are two groups", () => {
  const rows = [
    container({ name: "a", project: "shop", service: "web" }),
    container({ name: "b", project: "blog", service: "web" }),
    container({ name: "c", project: "blog", service: "blog.api", is_managed: true }),
  ];
  const groups = itemsOf(rows, "service").flatMap((item) => (item.kind === "group" ? [item.name] : []));
  expect(groups).toEqual(["blog.api", "blog.web", "shop.web"]);
});

test("a first look shows what is not well, then what is busiest, and what is stopped last", () => {
  const rows = [
    container({ name: "idle", cpu_percent: 1 }),
    container({ name: "busy", cpu_percent: 90 }),
    container({ name: "done", state: "exited", status: "Exited (0) 1 day ago" }),
    container({ name: "broken", state: "exited", status: "Exited (1) 1 day ago" }),
    container({ name: "ill", health: "unhealthy" }),
  ];
  expect(digestOf(rows, 5).map(({ name }) => name)).toEqual(["ill", "broken", "busy", "idle", "done"]);
  expect(digestOf(rows, 2)).toHaveLength(2);
});

test("times that Docker says are said in Italian too", () => {
  vi.stubGlobal("document", { documentElement: { lang: "en" } });
  setLanguage("it");
  expect(stateOf(container({ status: "Up 3 hours" }))).toMatchObject({
    word: "in esecuzione",
    detail: "3 ore",
  });
  expect(stateOf(container({ status: "Exited (137) About a minute ago", state: "exited" })).detail).toBe(
    "codice 137, circa un minuto fa",
  );
  setLanguage("en");
  expect(stateOf(container({ status: "Up About an hour" })).detail).toBe("about an hour");
  vi.unstubAllGlobals();
});

test("what may not be done to one is not offered for it, and said of many", () => {
  const all = () => true;
  const may = (action: string) => action === "container.stop";
  const own = container({ name: "own" });
  const theirs = container({ name: "theirs", can: ["container.logs"] });
  const ended = container({ name: "ended", state: "exited" });
  expect(verbsOf(theirs, all)).toEqual([]);
  expect(verbsOf(container({ can: ["container.restart"] }), () => false)).toEqual(["restart"]);
  expect(divide("stop", [own, theirs, ended], may)).toEqual({ fit: [own], unfit: [ended], denied: [theirs] });
  expect(leftOutWords(actionMessages.en, 1, [theirs])).toBe(
    "1 chosen container is left out: it makes no sense for their state. 1 chosen container is left out: you may not do this to theirs.",
  );
  expect(leftOutWords(actionMessages.en, 0, [])).toBe("");
});
