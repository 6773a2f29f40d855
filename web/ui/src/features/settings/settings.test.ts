import { expect, test } from "vitest";
import type { SettingView } from "@/api/openapi";
import { groupsOf, retentionOf } from "./settings";

function setting(key: string): SettingView {
  return { key, value: null, default: "7", version: 0, changed_at_ms: null };
}

test("settings are found in their groups, and what is of none under the others", () => {
  const groups = groupsOf(["metrics.bytes_max", "cluster.node_down_after_ms", "team/motd"].map(setting));
  expect(groups.map(({ name }) => name)).toEqual(["hosts", "history", "others"]);
  expect(groups[2]?.settings.map(({ key }) => key)).toEqual(["team/motd"]);
});

test("how long a record is kept is told by kind and record", () => {
  expect(retentionOf(setting("metrics.retention.container.raw"))).toMatchObject({
    kind: "container",
    record: "raw",
  });
  expect(retentionOf(setting("metrics.bytes_max"))).toBeNull();
});
