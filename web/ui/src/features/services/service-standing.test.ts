import { expect, test } from "vitest";
import type { ReplicaStepView, ReplicaTrouble, RolloutView, ServiceView } from "@/api/openapi";
import { newestRollouts, standingOf, stepWords, troubleWords } from "./service-standing";

const service = (ready: number, wanted: number, more: Partial<ServiceView> = {}) =>
  ({
    status: "running",
    replicas_ready: ready,
    replicas_wanted: wanted,
    troubles: [],
    ...more,
  }) as ServiceView;
const rollout = (phase: RolloutView["phase"], more: Partial<RolloutView> = {}) =>
  ({
    phase,
    progress: "2 of 3 replicas on revision 4",
    reason: "",
    verdict: "",
    steering: null,
    replicas: [],
    limits: [],
    ...more,
  }) as RolloutView;
const step = (more: Partial<ReplicaStepView>): ReplicaStepView => ({
  ordinal: 1,
  phase: "starting",
  reason: "",
  node_id: "n2",
  node_name: "h2",
  old_node_id: "n1",
  old_node_name: "h1",
  old_revision: 3,
  attempts: 1,
  ...more,
});
const trouble = (more: Partial<ReplicaTrouble>): ReplicaTrouble => ({
  ordinal: 2,
  node_name: "h3",
  is_host_down: false,
  phase: "exited",
  reason: "status 137",
  ...more,
});

test("a service as it should be has nothing to say", () => {
  const fine = { tone: "ok", words: "", details: [], rollout: null };
  expect(standingOf(service(3, 3), rollout("succeeded"))).toEqual(fine);
  expect(standingOf(service(3, 3), undefined)).toEqual(fine);
});

test("what serves decides, whatever the last rollout says", () => {
  expect(standingOf(service(0, 3), rollout("succeeded")).tone).toBe("bad");
  expect(standingOf(service(2, 3), rollout("succeeded"))).toMatchObject({
    tone: "warn",
    words: "1 of 3 replicas missing",
  });
});

test("a missing replica is named, with its host and what that says", () => {
  const standing = standingOf(service(2, 3, { troubles: [trouble({})] }), rollout("succeeded"));
  expect(standing.details).toEqual(["Replica 2 on h3 ended: status 137"]);
  expect(troubleWords(trouble({ node_name: "" }))).toBe("Replica 2 has no host yet");
  expect(troubleWords(trouble({ is_host_down: true }))).toBe("Replica 2 is on h3, which is down");
});

test("many missing replicas are not all named", () => {
  const troubles = [0, 1, 2, 3, 4].map((ordinal) => trouble({ ordinal, reason: "" }));
  expect(standingOf(service(0, 5, { troubles }), undefined).details).toEqual([
    "Replica 0 on h3 ended",
    "Replica 1 on h3 ended",
    "Replica 2 on h3 ended",
    "and 2 more",
  ]);
});

test("a rollout under way is told in the server's words, with why it waits and what each replica does", () => {
  const replicas = [step({ ordinal: 0, phase: "done" }), step({}), step({ ordinal: 2, phase: "waiting" })];
  const newest = rollout("running", { replicas, reason: "replica 2: no host has room" });
  expect(standingOf(service(3, 3), newest)).toEqual({
    tone: "accent",
    words: "Rolling out: 2 of 3 replicas on revision 4",
    details: ["replica 2: no host has room", "Replica 1 is starting on h2"],
    rollout: newest,
  });
});

test("the judge's word and what somebody asked for are told too", () => {
  const steering = { steer: "pause", by: "otto", at_ms: 0, reason: "" } as const;
  const newest = rollout("running", { verdict: "no worse so far", steering });
  expect(standingOf(service(3, 3), newest).details).toEqual(["no worse so far", "otto asked to pause"]);
});

test("what the judge said is not told twice", () => {
  const newest = rollout("paused", { reason: "cannot be judged: too few; resume it", verdict: "too few" });
  expect(standingOf(service(3, 3), newest).details).toEqual(["cannot be judged: too few; resume it"]);
});

test("how a rollout stands by a limit on a metric is told", () => {
  const text = "memory_bytes of replica 0 of the new revision 200 MiB (max 512 MiB for 1 min)";
  const limits = [{ text, metric: "memory_bytes", is_past: false }] as unknown as RolloutView["limits"];
  expect(standingOf(service(3, 3), rollout("running", { limits })).details).toEqual([text]);
});

test.each([
  [
    { attempts: 2, reason: "ended with status 1" },
    "Replica 1 is starting on h2, attempt 2: ended with status 1",
  ],
  [{ phase: "draining" as const }, "Replica 1 serves on h2; its old copy on h1 finishes its requests"],
  [
    { phase: "removing" as const, old_node_name: "" },
    "Replica 1 serves on h2; its old copy is being removed",
  ],
  [{ phase: "done" as const }, ""],
])("a step %o reads as %s", (more, words) => expect(stepWords(step(more))).toBe(words));

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
