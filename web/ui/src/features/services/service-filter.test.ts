import { expect, test } from "vitest";
import type { RolloutView, ServiceView } from "@/api/openapi";
import { filtered, type ServicesView, stateOf } from "./service-filter";

const service = (id: string, more: Partial<ServiceView> = {}) =>
  ({
    id,
    project: id.split(".")[0],
    image: "shop/web:1",
    nodes: ["h1"],
    routes: [],
    status: "running",
    replicas_wanted: 2,
    replicas_ready: 2,
    troubles: [],
    ...more,
  }) as unknown as ServiceView;
const rollout = (phase: RolloutView["phase"]) =>
  ({
    phase,
    progress: "",
    reason: "",
    verdict: "",
    steering: null,
    replicas: [],
    limits: [],
  }) as unknown as RolloutView;
const EVERYTHING: ServicesView = { text: "", project: "", state: "", host: "" };
const shown = (view: Partial<ServicesView>) =>
  filtered(
    [
      service("shop.web", { routes: ["shop.example"] }),
      service("blog.site", { nodes: ["h2"], replicas_ready: 0 }),
    ],
    new Map(),
    { ...EVERYTHING, ...view },
  ).map(({ id }) => id);

test.each([
  [{}, ["blog.site", "shop.web"]],
  [{ text: "WEB example" }, ["shop.web"]],
  [{ text: "h2" }, ["blog.site"]],
  [{ project: "shop" }, ["shop.web"]],
  [{ host: "h2" }, ["blog.site"]],
  [{ state: "attention" as const }, ["blog.site"]],
  [{ text: "nothing" }, []],
])("a search for %o shows %o", (view, ids) => expect(shown(view)).toEqual(ids));

test.each([
  [{}, undefined, "running"],
  [{ replicas_wanted: 0, replicas_ready: 0 }, undefined, "stopped"],
  [{}, "running", "rolling-out"],
  [{}, "paused", "attention"],
  [{}, "failed", "attention"],
  [{ replicas_ready: 1 }, undefined, "attention"],
] as const)("a service with %o and its rollout %s is %s", (more, phase, state) => {
  expect(stateOf(service("a.b", more), phase === undefined ? undefined : rollout(phase))).toBe(state);
});
