import { expect, test } from "vitest";
import type { AlertView, AuditView, NodeView, RolloutView } from "@/api/openapi";
import { changesOf, type Known } from "./change";

const known = (more: Partial<Known>): Known => ({ rollouts: [], nodes: [], audit: [], alerts: [], ...more });

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
  const [change] = changesOf(known({ audit: [entry(more)] }));
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
  [
    { action: "request", resource: "request", outcome: "denied", actor: "", count: 4 },
    "A stranger was refused (4 times)",
  ],
])("%o reads as %s", (more, words) => expect(sentence(more)).toBe(words));

test("who came and went is no change, who was kept out is one", () => {
  const action = "account.start-login";
  expect(changesOf(known({ audit: [entry({ action })] }))).toEqual([]);
  expect(changesOf(known({ audit: [entry({ action, outcome: "denied" })] }))).toHaveLength(1);
});

test("a refusal says why", () => {
  const [change] = changesOf(known({ audit: [entry({ outcome: "denied", reason: "needs role operator" })] }));
  expect([change?.tone, change?.detail]).toEqual(["bad", "Needs role operator"]);
});

test("rollouts and entries are one list, newest first, and short", () => {
  const rollouts = Array.from({ length: 9 }, (_, n) => ({
    id: `r${n}`,
    service_id: "s",
    phase: "succeeded",
    reason: "",
    progress: "",
    changed_at_ms: n * 10,
  })) as RolloutView[];
  const changes = changesOf(known({ rollouts, audit: [entry({ at_ms: 85 })] }));
  expect(changes).toHaveLength(6);
  expect(changes[0]?.key).toBe("audit 1");
  expect(changes.map((change) => change.atMs)).toEqual([85, 80, 70, 60, 50, 40]);
});

test("a host that went down or came back is a change, one that has just joined is not", () => {
  const node = (more: Partial<NodeView>) =>
    ({
      id: "n1",
      name: "h1",
      status: "up",
      status_reason: "",
      joined_at_ms: 0,
      status_at_ms: 0,
      ...more,
    }) as NodeView;
  const words = (more: Partial<NodeView>) =>
    changesOf(known({ nodes: [node(more)] })).map((change) => `${change.actor} ${change.words}`);
  expect(words({ status: "down", status_at_ms: 5_000 })).toEqual(["Host h1 is down"]);
  expect(words({ status_at_ms: 90_000 })).toEqual(["Host h1 is up again"]);
  expect(words({ status_at_ms: 2_000 })).toEqual([]);
});

test("the end of a rollout is told once", () => {
  const rollouts = [
    { id: "r1", service_id: "shop.web", phase: "rolled-back", reason: "it crashed", to_revision: 2 },
  ] as RolloutView[];
  const audit = [entry({ action: "rollout.rolled-back", resource: "service:shop.web", outcome: "failed" })];
  expect(changesOf(known({ rollouts, audit })).map((change) => change.words)).toEqual([
    "was rolled back (revision 2)",
  ]);
});

test("an alert is news when it fires and when it is over, and not before", () => {
  const alert = (more: Partial<AlertView>) =>
    ({
      number: 1,
      severity: "critical",
      text: "disk full",
      translations: {},
      subject: { name: "h1" },
      fired_at_ms: null,
      resolved_at_ms: null,
      ...more,
    }) as AlertView;
  expect(changesOf(known({ alerts: [alert({})] }))).toEqual([]);
  const told = changesOf(known({ alerts: [alert({ fired_at_ms: 1, resolved_at_ms: 5 })] }));
  expect(told.map(({ tone, words }) => [tone, words])).toEqual([
    ["ok", "over: disk full"],
    ["bad", "alert: disk full"],
  ]);
});
