import { expect, test } from "vitest";
import type { ContainerView } from "@/api/openapi";
import { byService, piecesOf } from "./pieces";

const container = (more: Partial<ContainerView>) =>
  ({
    id: "c1",
    name: "tower-shop.web-1-0",
    node_id: "n1",
    node_name: "h1",
    service: "shop.web",
    revision: 1,
    is_managed: true,
    state: "running",
    health: "",
    status: "Up",
    age_ms: null,
    ...more,
  }) as ContainerView;

test("replicas stand on their hosts, in order, and a host without any is shown empty", () => {
  const found = piecesOf({ nodes: ["h1", "h2"] }, [
    container({ name: "b" }),
    container({ name: "a" }),
    container({ name: "c", node_name: "h3" }),
  ]);
  expect(found.map(({ host, pieces }) => [host, pieces.map(({ name }) => name)])).toEqual([
    ["h1", ["a", "b"]],
    ["h2", []],
    ["h3", ["c"]],
  ]);
});

test.each([
  [{}, "ok"],
  [{ health: "unhealthy" }, "bad"],
  [{ health: "starting" }, "accent"],
  [{ state: "restarting" }, "warn"],
  [{ state: "exited" }, "bad"],
  [{ age_ms: 60_000 }, "neutral"],
] as const)("a replica that is %o is drawn as %s", (more, tone) => {
  expect(piecesOf({ nodes: ["h1"] }, [container(more)])[0]?.pieces[0]?.tone).toBe(tone);
});

test("what ended on a host it has left is no replica", () => {
  expect(piecesOf({ nodes: ["h1"] }, [container({ node_name: "h9", state: "exited" })])).toEqual([
    { host: "h1", pieces: [] },
  ]);
});

test("containers that nobody manages belong to no service", () => {
  expect([...byService([container({}), container({ is_managed: false })]).values()]).toEqual([
    [container({})],
  ]);
});
