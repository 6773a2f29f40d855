import { expect, test } from "vitest";
import type { AuditView, RolloutView } from "@/api/openapi";
import { changesOf } from "./change";

const entry = (more: Partial<AuditView>) =>
  ({
    sequence: 1,
    at_ms: 1,
    actor: "ada",
    action: "container.restart",
    resource: "container:h1/web",
    outcome: "applied",
    reason: "",
    count: 1,
    ...more,
  }) as AuditView;

const sentence = (more: Partial<AuditView>) => {
  const [change] = changesOf([], [entry(more)]);
  return `${change?.actor} ${change?.words}`;
};

test("entries read as sentences", () => {
  expect(sentence({})).toBe("ada restarted container h1/web");
  expect(sentence({ action: "account.set-password", resource: "account" })).toBe("ada set password account");
  expect(sentence({ actor: "", outcome: "denied", count: 12, action: "request", resource: "account" })).toBe(
    "A stranger tried to request account (12 times)",
  );
});

test("a refusal says why", () => {
  const [change] = changesOf([], [entry({ outcome: "denied", reason: "needs role operator" })]);
  expect([change?.tone, change?.detail]).toEqual(["bad", "denied: needs role operator"]);
});

test("rollouts and entries are one list, newest first, and short", () => {
  const rollouts = Array.from({ length: 9 }, (_, n) => ({
    id: `r${n}`,
    service_id: "s",
    phase: "succeeded",
    changed_at_ms: n * 10,
  })) as RolloutView[];
  const changes = changesOf(rollouts, [entry({ at_ms: 85 })]);
  expect(changes).toHaveLength(8);
  expect(changes[0]?.key).toBe("audit 1");
  expect(changes.map((change) => change.atMs)).toEqual([85, 80, 70, 60, 50, 40, 30, 20]);
});
