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

test.each([
  [{}, "ada restarted container h1/web"],
  [{ action: "account.set-password", resource: "account:ada" }, "ada set the password of account ada"],
  [{ action: "api-token.create", resource: "api-token:tolsnzah" }, "ada created API token tolsnzah"],
  [{ action: "node.join", resource: "node:h3", actor: "" }, " Host h3 joined"],
  [{ action: "node.remove", resource: "node:h3", outcome: "denied" }, "ada tried to remove host h3"],
  [
    { action: "account.start-login", resource: "account", outcome: "denied", actor: "", count: 12 },
    "A stranger tried to log in (12 times)",
  ],
])("%o reads as %s", (more, words) => expect(sentence(more)).toBe(words));

test("who came and went is no change, who was kept out is one", () => {
  const action = "account.start-login";
  expect(changesOf([], [entry({ action })])).toEqual([]);
  expect(changesOf([], [entry({ action, outcome: "denied" })])).toHaveLength(1);
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
