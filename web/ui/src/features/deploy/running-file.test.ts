import { expect, test } from "vitest";
import type { ServiceDetail, SpecView } from "@/api/openapi";
import { duration, fileOfRunning, yamlOf } from "./running-file";

const OPTIONS = {
  entrypoint: null,
  init: null,
  cap_add: [],
  cap_drop: [],
  user: "",
} as unknown as SpecView["options"];
const spec = (more: Partial<SpecView>): SpecView => ({
  image: "registry:5000/shop/web:2@sha256:abc",
  digest: "sha256:abc",
  command: null,
  environment: {},
  ports: [],
  volumes: [],
  healthcheck: null,
  resources: {} as SpecView["resources"],
  labels: {},
  stop_grace_period_ms: 10_000,
  route: null,
  secrets: [],
  configs: [],
  options: OPTIONS,
  ...more,
});
const service = (more: Partial<SpecView>, rest: Partial<ServiceDetail> = {}) =>
  ({
    name: "web",
    replicas_wanted: 3,
    revision: 2,
    stable_revision: 2,
    revisions: [{ number: 2, spec: spec(more) }],
    scaling: null,
    fencing: "none",
    placement: { constraints: [] },
    policy: { shift: { strategy: "rolling", canary: {}, blue_green: {}, analysis: {} } },
    ...rest,
  }) as unknown as ServiceDetail;

test("what runs is a file, without what is as usual", () => {
  expect(fileOfRunning("shop", [service({})])).toBe(
    [
      "name: shop",
      "services:",
      "  web:",
      "    image: registry:5000/shop/web:2",
      "    deploy:",
      "      replicas: 3",
      "",
    ].join("\n"),
  );
});

test("a value that may not be seen is asked for, and a dollar sign stays one", () => {
  const text = fileOfRunning("shop", [service({ environment: { KEY: null, PRICE: "5$", N: "1" } })]);
  // biome-ignore lint/suspicious/noTemplateCurlyInString: Compose's form of a variable
  expect(text).toContain('KEY: "${KEY}"');
  expect(text).toContain('PRICE: "5$$"');
  expect(text).toContain('"N": "1"');
});

test("secrets, configs and volumes are named at the top, once", () => {
  const secrets = [{ source: "db", target: "db" }] as SpecView["secrets"];
  const volumes = [{ kind: "volume", source: "data", target: "/data" }] as SpecView["volumes"];
  const both = [service({ secrets, volumes }), service({ secrets, volumes }, { name: "api" })];
  const text = fileOfRunning("shop", both);
  expect(text.match(/^ {2}db:$/gm)).toHaveLength(1);
  expect(text.match(/^ {2}data:$/gm)).toHaveLength(1);
});

test("a canary keeps its steps; all of the requests follow by themselves", () => {
  const shift = {
    strategy: "canary",
    canary: {
      steps: [
        { permille: 50, hold_ms: 90_000 },
        { permille: 500, needs_approval: true },
        { permille: 1_000 },
      ],
    },
    blue_green: {},
    analysis: {},
  };
  const text = fileOfRunning("shop", [
    service({}, { policy: { shift } as unknown as ServiceDetail["policy"] }),
  ]);
  expect(text).toContain(
    [
      "      canary:",
      "        steps:",
      '          - weight: "5%"',
      '            for: "1m30s"',
      '          - weight: "50%"',
      "            pause: approve",
    ].join("\n"),
  );
  expect(text).not.toContain("100%");
});

test.each([
  [0, "0s"],
  [90_000, "1m30s"],
  [3_600_000, "1h"],
  [1_500, "1s500ms"],
])("%d ms are written as %s", (ms, text) => expect(duration(ms)).toBe(text));

test("text that could be read as something else is in quotes", () => {
  expect(yamlOf(["yes", "1", "a: b", "# no", "plain text", "", "- x", "a #b"])).toBe(
    ['- "yes"', '- "1"', '- "a: b"', '- "# no"', "- plain text", '- ""', '- "- x"', '- "a #b"', ""].join(
      "\n",
    ),
  );
});
