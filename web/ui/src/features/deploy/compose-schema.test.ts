import { expect, test } from "vitest";
import { describe, keysAt, type Schema, valuesAt } from "./compose-schema";

const SCHEMA: Schema = {
  $ref: "#/$defs/top",
  $defs: {
    top: {
      type: "object",
      properties: {
        services: { $ref: "#/$defs/services", description: "What runs" },
        include: { description: "Refused: resolve it first", not: {} },
        version: { description: "No effect: old", deprecated: true },
      },
    },
    services: { type: "object", additionalProperties: { $ref: "#/$defs/service" } },
    service: {
      type: "object",
      required: ["image"],
      properties: {
        image: { type: "string", description: "What it is made from" },
        ports: { $ref: "#/$defs/ports", description: "Ports" },
        strategy: { anyOf: [{ enum: ["rolling", "canary"] }, { type: "string", pattern: "\\$" }] },
        read_only: { type: ["boolean", "string"], default: false },
        analysis: { anyOf: [{ const: false }, { $ref: "#/$defs/analysis" }] },
        wait: { $ref: "#/$defs/duration", description: "How long", default: "30s" },
      },
    },
    analysis: { type: "object", properties: { budget: { type: "string", default: "1%" } } },
    duration: { type: "string", examples: ["1m30s"] },
    ports: { type: "array", items: { anyOf: [{ type: "string" }, { $ref: "#/$defs/port" }] } },
    port: { type: "object", properties: { target: { type: "integer" } } },
  },
};

const labels = (found: readonly { label: string }[]) => found.map((each) => each.label);

test("what is refused or has no effect is not offered", () => {
  expect(labels(keysAt(SCHEMA, []))).toEqual(["services"]);
});

test("a service by any name has the keys of a service that it does not have yet", () => {
  const keys = keysAt(SCHEMA, ["services", "web"], new Set(["strategy", "wait"]));
  expect(labels(keys)).toEqual(["image", "ports", "read_only", "analysis"]);
  expect(keys[0]).toMatchObject({ isRequired: true, form: "scalar", description: "What it is made from" });
  expect(keys[1]).toMatchObject({ isRequired: false, form: "list" });
});

test("alternatives are looked into: a mapping beside false, elements beside text", () => {
  expect(labels(keysAt(SCHEMA, ["services", "web", "analysis"]))).toEqual(["budget"]);
  expect(labels(keysAt(SCHEMA, ["services", "web", "ports", 3]))).toEqual(["target"]);
});

test("values are what is listed, yes and no, the default, and examples", () => {
  expect(labels(valuesAt(SCHEMA, ["services", "web", "strategy"]))).toEqual(["rolling", "canary"]);
  expect(labels(valuesAt(SCHEMA, ["services", "web", "read_only"]))).toEqual(["true", "false"]);
  expect(valuesAt(SCHEMA, ["services", "web", "wait"])).toMatchObject([
    { label: "1m30s", detail: "example" },
    { label: "30s", detail: "default" },
  ]);
});

test("a place the schema does not know has nothing", () => {
  expect(keysAt(SCHEMA, ["services", "web", "image", "x"])).toEqual([]);
  expect(valuesAt(SCHEMA, ["nothing"])).toEqual([]);
  expect(describe(SCHEMA, ["nothing"])).toBeNull();
});

test("what is pointed at is described, with its default", () => {
  expect(describe(SCHEMA, ["services", "web", "wait"])).toBe("How long (default 30s)");
});
