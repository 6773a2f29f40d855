import { expect, test } from "vitest";
import type { RolloutView, ServiceView } from "@/api/openapi";
import { newestRollouts, standingOf } from "./service-standing";

const service = (ready: number, wanted: number, status = "running") =>
  ({ status, replicas_ready: ready, replicas_wanted: wanted }) as ServiceView;
const rollout = (phase: RolloutView["phase"], more: Partial<RolloutView> = {}) =>
  ({ phase, progress: "2 of 3 replicas on revision 4", reason: "", replicas: [], ...more }) as RolloutView;

test("a service as it should be has nothing to say", () => {
  expect(standingOf(service(3, 3), rollout("succeeded"))).toEqual({ tone: "ok", words: "", progress: null });
  expect(standingOf(service(3, 3), undefined).tone).toBe("ok");
});

test("what serves decides, whatever the last rollout says", () => {
  expect(standingOf(service(0, 3), rollout("succeeded")).tone).toBe("bad");
  expect(standingOf(service(2, 3), rollout("succeeded")).tone).toBe("warn");
});

test("a rollout under way is told in the server's words, with its share", () => {
  const replicas = [{ phase: "done" }, { phase: "starting" }] as RolloutView["replicas"];
  expect(standingOf(service(3, 3), rollout("running", { replicas }))).toEqual({
    tone: "accent",
    words: "Rolling out: 2 of 3 replicas on revision 4",
    progress: 0.5,
  });
});

test("a rollout that was taken back is not what the owner wanted last", () => {
  expect(standingOf(service(3, 3), rollout("rolled-back", { reason: "exited with code 1" }))).toMatchObject({
    tone: "warn",
    words: "Last rollout was taken back: exited with code 1",
  });
});

test("of each service the newest rollout counts", () => {
  const list = [
    { id: "r1", service_id: "a", started_at_ms: 1 },
    { id: "r3", service_id: "a", started_at_ms: 3 },
    { id: "r2", service_id: "a", started_at_ms: 2 },
  ] as RolloutView[];
  expect(newestRollouts(list).get("a")?.id).toBe("r3");
});
