import { expect, test } from "vitest";
import type { RolloutView, ServiceView } from "@/api/openapi";
import { needsConfirmation, steersOf, verbsOf } from "./service-actions";

const everything = () => true;
const service = (more: Partial<ServiceView>) =>
  ({ status: "running", stable_revision: 3, rollout_id: null, ...more }) as ServiceView;
const rollout = (...can: RolloutView["can"]) => ({ can }) as RolloutView;

test("what can be asked of a rollout is what the server says, going on first", () => {
  expect(steersOf(rollout("abort", "pause", "approve"), undefined, everything)).toEqual([
    "approve",
    "pause",
    "abort",
  ]);
  expect(steersOf(rollout(), undefined, everything)).toEqual([]);
});

test("who may only pause is offered nothing else", () => {
  const may = (action: string) => action === "rollout.pause";
  expect(steersOf(rollout("abort", "pause"), undefined, may)).toEqual(["pause"]);
});

test.each([
  [{}, ["restart", "rollback"]],
  [{ stable_revision: 1 }, ["restart"]],
  [{ stable_revision: 0 }, []],
  [{ rollout_id: "ro-1" }, []],
  [{ status: "removing" }, []],
])("a service %o can be asked %o", (more, verbs) => {
  expect(verbsOf(service(more), everything)).toEqual(verbs);
});

test("what moves requests or replicas is asked twice, a pause is not", () => {
  expect((["approve", "promote", "abort", "rollback", "restart"] as const).every(needsConfirmation)).toBe(
    true,
  );
  expect((["pause", "resume"] as const).some(needsConfirmation)).toBe(false);
});
