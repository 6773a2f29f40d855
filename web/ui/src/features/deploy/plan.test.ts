import { expect, test } from "vitest";
import type { DeployedService, FindingView, ForecastView, PlannedHost } from "@/api/openapi";
import { planOf } from "./plan";

const service = (more: Partial<DeployedService>): DeployedService => ({
  service_id: "shop.web",
  revision: 2,
  version: 1,
  rollout_id: null,
  changed: true,
  strategy: "rolling",
  changes: [],
  supersedes: null,
  is_retry: false,
  ...more,
});
const host = (node_name: string | null, more: Partial<PlannedHost> = {}): PlannedHost => ({
  service_id: "shop.web",
  ordinal: 0,
  node_name,
  is_new: false,
  reason: "",
  ...more,
});
const finding = (more: Partial<FindingView>): FindingView => ({
  check: "file",
  level: "warning",
  service: "",
  field: "",
  rule: "r",
  hint: "",
  file: "",
  line: null,
  column: null,
  ...more,
});
const forecast = (more: Partial<ForecastView>) =>
  ({ service_id: "shop.web", drops: [], estimate_s: 12, ...more }) as ForecastView;
const nothing = { services: [], plan: [], hosts: [], findings: [] };

test.each([
  [{ changed: false }, "unchanged"],
  [{ revision: 1 }, "new"],
  [{}, "changed"],
  [{ is_retry: true, changed: false }, "retried"],
] as const)("a service with %o is %s", (more, kind) => {
  expect(planOf({ ...nothing, services: [service(more)] }).services[0]?.kind).toBe(kind);
});

test("what changes comes before what stays", () => {
  const services = [
    service({ service_id: "shop.a", changed: false }),
    service({ service_id: "shop.b", revision: 1 }),
    service({ service_id: "shop.c" }),
  ];
  expect(planOf({ ...nothing, services }).services.map(({ id }) => id)).toEqual([
    "shop.c",
    "shop.b",
    "shop.a",
  ]);
});

test("a finding goes to its service by name or by its place in the file, and otherwise to the file", () => {
  const findings = [
    finding({ service: "shop.web", rule: "by name" }),
    finding({ field: "services.web.ports[0]", rule: "by place", level: "error" }),
    finding({ field: "services.webby.image", rule: "another" }),
    finding({ rule: "the cluster" }),
  ];
  const plan = planOf({ ...nothing, services: [service({})], findings });
  expect(plan.services[0]?.findings.map(({ rule }) => rule)).toEqual(["by name", "by place"]);
  expect(plan.findings.map(({ rule }) => rule)).toEqual(["another", "the cluster"]);
  expect([plan.errors, plan.warnings]).toEqual([1, 3]);
});

test("its reach counts what is touched, and what stays is not", () => {
  const plan = planOf({
    ...nothing,
    services: [service({}), service({ service_id: "shop.db", changed: false })],
    plan: [forecast({ drops: ["open connections"], estimate_s: 40 })],
    hosts: [host("h2", { is_new: true }), host("h1"), host(null), host("h9", { service_id: "shop.db" })],
  });
  expect(plan.reach).toEqual({
    services: 1,
    replicas: 3,
    hosts: ["h1", "h2"],
    drops: ["shop.web: open connections"],
    estimateS: 40,
  });
  expect(plan.services[0]?.starts).toBe(1);
});
