import { expect, test } from "vitest";
import type { ContainerView } from "@/api/openapi";
import { type Outcome, runBulk, touchedBy } from "./bulk";

const container = (name: string, more: Partial<ContainerView> = {}): ContainerView =>
  ({
    id: name,
    name,
    node_id: "n1",
    node_name: "h1",
    project: "",
    service: "",
    is_managed: false,
    ...more,
  }) as ContainerView;

const states = (outcomes: readonly Outcome[]) =>
  outcomes.map((each) => `${each.container.name} ${each.state}${each.note && `: ${each.note}`}`);
const nobody = () => {};

test("what fails is told, and does not keep the others", async () => {
  const outcomes = await runBulk(
    ["a", "b", "c"].map((name) => container(name)),
    ({ name }) => (name === "b" ? Promise.reject(new Error("no answer")) : Promise.resolve("fine")),
    nobody,
    new AbortController().signal,
  );
  expect(states(outcomes)).toEqual(["a done: fine", "b failed: no answer", "c done: fine"]);
});

test("no more than a few are under way at once, and each step is told", async () => {
  let underWay = 0;
  let most = 0;
  const told: number[] = [];
  await runBulk(
    Array.from({ length: 12 }, (_, number) => container(`c${number}`)),
    async () => {
      underWay += 1;
      most = Math.max(most, underWay);
      await Promise.resolve();
      underWay -= 1;
      return "";
    },
    (outcomes) => told.push(outcomes.filter(({ state }) => state === "done").length),
    new AbortController().signal,
  );
  expect(most).toBe(4);
  expect(told.at(-1)).toBe(12);
});

test("after a stop what has not begun is left", async () => {
  const stopping = new AbortController();
  const outcomes = await runBulk(
    Array.from({ length: 6 }, (_, number) => container(`c${number}`)),
    () => {
      stopping.abort();
      return Promise.resolve("");
    },
    nobody,
    stopping.signal,
  );
  expect(outcomes.filter(({ state }) => state === "done").length).toBeGreaterThan(0);
  expect(outcomes.filter(({ state }) => state === "left").length).toBeGreaterThan(0);
});

test("the question names hosts with counts, and services and projects once", () => {
  const touched = touchedBy([
    container("a", { project: "shop", service: "web" }),
    container("b", { project: "shop", service: "web", node_name: "h2" }),
    container("c", { service: "blog.api", is_managed: true }),
  ]);
  expect(touched).toEqual({
    hosts: [
      { name: "h1", count: 2 },
      { name: "h2", count: 1 },
    ],
    services: ["blog.api", "shop.web"],
    projects: ["shop"],
    managed: 1,
  });
});
