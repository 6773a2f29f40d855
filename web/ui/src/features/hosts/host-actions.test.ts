import { expect, test } from "vitest";
import type { NodeView } from "@/api/openapi";
import { verbsOf } from "./host-actions";

const NOW = 1_000;

function node(more: Partial<NodeView> = {}): NodeView {
  return {
    role: "voter",
    status: "up",
    is_leader: false,
    is_self: false,
    is_draining: false,
    is_fenced: false,
    maintenance_until_ms: null,
    ...more,
  } as NodeView;
}

const everything = () => true;

test("a voter that is up may be drained, away, labelled, made leader and removed", () => {
  expect(verbsOf(node(), NOW, everything)).toEqual(["drain", "maintain", "labels", "lead", "remove"]);
});

test("what has begun can be ended", () => {
  const verbs = verbsOf(node({ is_draining: true, maintenance_until_ms: NOW + 1 }), NOW, everything);
  expect(verbs).toContain("undrain");
  expect(verbs).toContain("endMaintenance");
  expect(verbsOf(node({ maintenance_until_ms: NOW }), NOW, everything)).toContain("maintain");
});

test("only a host that is down can be said to be off, and only once", () => {
  expect(verbsOf(node({ status: "down" }), NOW, everything)).toContain("fence");
  expect(verbsOf(node({ status: "down", is_fenced: true }), NOW, everything)).not.toContain("fence");
  expect(verbsOf(node({ status: "down" }), NOW, everything)).not.toContain("lead");
});

test("the host that shows the page is not removed from under it, and nobody is offered what they may not do", () => {
  expect(verbsOf(node({ is_self: true }), NOW, everything)).not.toContain("remove");
  expect(verbsOf(node(), NOW, (action) => action === "node.drain")).toEqual(["drain"]);
});
