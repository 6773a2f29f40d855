import { expect, test } from "vitest";
import type { AlertView, ContainerView, NodeView, PlanView, RolloutView, ServiceView } from "@/api/openapi";
import { type Known, mattersOf } from "./attention";

const NOTHING: Known = { nodes: [], services: [], rollouts: [], containers: [], alerts: [], plans: [] };

function node(more: Partial<NodeView>): NodeView {
  return {
    id: "nd_1",
    name: "h1",
    status: "up",
    problem: "",
    status_at_ms: 5,
    last_seen_ms: 9,
    ...more,
  } as NodeView;
}

function service(more: Partial<ServiceView>): ServiceView {
  return { id: "shop.web", replicas_ready: 3, replicas_wanted: 3, status: "", ...more } as ServiceView;
}

function rollout(more: Partial<RolloutView>): RolloutView {
  return {
    id: "ro_1",
    service_id: "shop.web",
    phase: "running",
    can: [],
    started_at_ms: 1,
    changed_at_ms: 2,
    ...more,
  } as RolloutView;
}

function container(more: Partial<ContainerView>): ContainerView {
  return {
    id: "c1",
    name: "db",
    node_id: "nd_1",
    node_name: "h1",
    state: "running",
    health: "",
    is_managed: false,
    ...more,
  } as ContainerView;
}

function alert(more: Partial<AlertView>): AlertView {
  return {
    number: 1,
    state: "firing",
    severity: "warning",
    text: "the disk is nearly full",
    translations: {},
    since_ms: 3,
    subject: { kind: "host", name: "h2" },
    ...more,
  } as AlertView;
}

test("where everything is as it should be nothing needs attention", () => {
  expect(
    mattersOf({
      ...NOTHING,
      nodes: [node({})],
      services: [service({})],
      containers: [container({})],
      rollouts: [rollout({ phase: "succeeded" })],
    }),
  ).toEqual([]);
});

test("the worst comes first, and of those the oldest", () => {
  const matters = mattersOf({
    ...NOTHING,
    nodes: [
      node({ id: "a", name: "suspect", status: "suspect", status_at_ms: 1 }),
      node({ id: "b", name: "late", status: "down", status_at_ms: 7 }),
      node({ id: "c", name: "early", status: "down", status_at_ms: 5 }),
    ],
  });
  expect(matters.map(({ name }) => name)).toEqual(["early", "late", "suspect"]);
});

test("a service that lacks replicas is named, but not what its rollout says itself", () => {
  const short = service({ replicas_ready: 2 });
  expect(mattersOf({ ...NOTHING, services: [short] })[0]).toMatchObject({
    tone: "warn",
    words: "1 of 3 replicas are missing",
  });
  expect(mattersOf({ ...NOTHING, services: [short], rollouts: [rollout({})] })).toEqual([]);
  const dead = service({ replicas_ready: 0 });
  expect(mattersOf({ ...NOTHING, services: [dead], rollouts: [rollout({})] })[0]).toMatchObject({
    tone: "bad",
  });
});

test("a rollout that waits for a person leads to itself", () => {
  const [matter] = mattersOf({
    ...NOTHING,
    services: [service({})],
    rollouts: [rollout({ can: ["approve"] })],
  });
  expect(matter).toMatchObject({ words: "waits for approval", to: { page: "rollout", id: "ro_1" } });
});

test("only the newest rollout of a service counts", () => {
  const failed = rollout({ id: "old", phase: "failed", started_at_ms: 1 });
  const good = rollout({ id: "new", phase: "succeeded", started_at_ms: 2 });
  expect(mattersOf({ ...NOTHING, services: [service({})], rollouts: [failed, good] })).toEqual([]);
});

test("an alert about what is in the list already is not said twice, and only firing ones are", () => {
  const nodes = [node({ id: "b", name: "h2", status: "down" })];
  expect(mattersOf({ ...NOTHING, nodes, alerts: [alert({})] }).map(({ key }) => key)).toEqual(["node b"]);
  expect(mattersOf({ ...NOTHING, alerts: [alert({})] }).map(({ key }) => key)).toEqual(["alert 1"]);
  expect(mattersOf({ ...NOTHING, alerts: [alert({ state: "acknowledged" })] })).toEqual([]);
});

test("replicas are told by their service, other containers by themselves", () => {
  const sick = container({ health: "unhealthy" });
  expect(mattersOf({ ...NOTHING, containers: [sick] })).toHaveLength(1);
  expect(mattersOf({ ...NOTHING, containers: [{ ...sick, is_managed: true }] })).toEqual([]);
});

test("a plan needs the attention of those who may approve it", () => {
  const plan = { id: "pl_1", summary: "web goes from 2 to 3", asked_by: "ann", made_at_ms: 4 } as PlanView;
  const [matter] = mattersOf({ ...NOTHING, plans: [{ ...plan, can: ["approve", "refuse"] }] });
  expect(matter).toMatchObject({
    name: "web goes from 2 to 3",
    words: "waits for your approval; a program asked for it for ann",
    to: { page: "plan", id: "pl_1" },
  });
  expect(mattersOf({ ...NOTHING, plans: [{ ...plan, can: ["withdraw"] }] })).toEqual([]);
});
