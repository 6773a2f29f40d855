import { describe, expect, it } from "vitest";
import type { EnvironmentSettings } from "@/api/openapi";
import { bodyOf, draftOf, NEW_SETTINGS } from "./environment-draft";

const STAGING: EnvironmentSettings = {
  hosts: ["h2", "h1"],
  constraints: ["node.labels.tier==staging"],
  registry: "registry.example:5000/mirror",
  replicas_min: 1,
  replicas_max: 4,
  quota_cpu_millis: 7_500,
  quota_memory_bytes: 16 * 1024 ** 3,
  quota_replicas: 40,
  requires: "development",
  soak_s: 90,
  protected: true,
  alerting: false,
  alert_channel: "ops",
  sample_interval_s: 30,
};

describe("an environment that is edited", () => {
  it("is what it was when nothing was changed", () => {
    const { body, faults } = bodyOf(draftOf("staging", STAGING));
    expect(body).toEqual({ ...STAGING, hosts: ["h1", "h2"] });
    expect(faults.size).toBe(0);
    expect(bodyOf(draftOf("", NEW_SETTINGS)).body).toEqual(NEW_SETTINGS);
  });

  it("bounds nothing where nothing is typed", () => {
    const { body } = bodyOf({
      ...draftOf("staging", STAGING),
      quotaCpus: " ",
      quotaMemory: "",
      replicasMax: "",
    });
    expect([body.quota_cpu_millis, body.quota_memory_bytes, body.replicas_max]).toEqual([null, null, 0]);
  });

  it("takes amounts as people write them", () => {
    const { body } = bodyOf({ ...draftOf("", NEW_SETTINGS), quotaCpus: "1,5", quotaMemory: "512m" });
    expect([body.quota_cpu_millis, body.quota_memory_bytes]).toEqual([1_500, 512 * 1024 ** 2]);
  });

  it("names the fields that hold no amount", () => {
    const { faults } = bodyOf({ ...draftOf("", NEW_SETTINGS), quotaMemory: "much", replicasMin: "1.5" });
    expect([...faults].sort()).toEqual(["quotaMemory", "replicasMin"]);
  });

  it("takes one rule from each line", () => {
    const { body } = bodyOf({ ...draftOf("", NEW_SETTINGS), constraints: " node.role==voter \n\n" });
    expect(body.constraints).toEqual(["node.role==voter"]);
  });
});
