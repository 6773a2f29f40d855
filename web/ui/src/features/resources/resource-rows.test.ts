import { expect, test } from "vitest";
import type { ImageView, NetworkView, ResourceUserView, VolumeView } from "@/api/openapi";
import { compare, EVERYTHING, nameOf, projectsOf, rowsOf, useOf } from "./resource-rows";

const user = (name: string, project = ""): ResourceUserView => ({
  id: name,
  name,
  state: "running",
  project,
});
const common = {
  labels: {},
  users: [],
  may_go: true,
  why: "",
  translations: {},
  node_id: "n1",
  node_name: "h1",
  age_ms: 0,
};
const image = (more: Partial<ImageView>): ImageView => ({
  ...common,
  id: `sha256:${"ab".repeat(32)}`,
  tags: ["web:1"],
  digests: [],
  size_bytes: 1,
  own_bytes: null,
  created_at_ms: 0,
  ...more,
});
const volume = (more: Partial<VolumeView>): VolumeView => ({
  ...common,
  name: "data",
  driver: "local",
  mountpoint: "",
  project: "",
  service: "",
  size_bytes: null,
  created_at_ms: null,
  ...more,
});
const network = (more: Partial<NetworkView>): NetworkView => ({
  ...common,
  id: "cd",
  name: "net",
  driver: "bridge",
  scope: "local",
  is_internal: false,
  is_built_in: false,
  subnets: [],
  project: "",
  created_at_ms: null,
  ...more,
});

test("a resource is in use, needed, or neither", () => {
  expect(useOf(image({ users: [user("web")], may_go: false }))).toBe("used");
  expect(useOf(image({ may_go: false }))).toBe("kept");
  expect(useOf(image({}))).toBe("unused");
  expect(useOf(network({ is_built_in: true, may_go: false }))).toBe("used");
});

test("a volume that nobody has named is unused, though a clean-up leaves it", () => {
  expect(useOf(volume({ may_go: false }))).toBe("unused");
  expect(useOf(volume({ may_go: false, service: "shop.db" }))).toBe("kept");
});

test("an image is called by its first name, and without one by its id", () => {
  expect(nameOf(image({ tags: ["b:1", "a:1"] }))).toBe("b:1");
  expect(nameOf(image({ tags: [], digests: ["a@sha256:1"] }))).toBe("a@sha256:1");
  expect(nameOf(image({ tags: [] }))).toBe("abababababab");
});

test("a resource has to do with its own project and with those of its users, each once", () => {
  expect(projectsOf(volume({ project: "shop", users: [user("a", "shop"), user("b", "blog")] }))).toEqual([
    "shop",
    "blog",
  ]);
});

test("rows are found by name, host, project, use and user", () => {
  const rows = [
    image({ id: "1", tags: ["web:1"], users: [user("shop-web-1", "shop")] }),
    image({ id: "2", tags: ["db:1"], node_name: "h2" }),
  ];
  const found = (more: object) => rowsOf(rows, { ...EVERYTHING, ...more }, () => null).map(({ id }) => id);
  expect(found({ text: "shop-web" })).toEqual(["1"]);
  expect(found({ host: "h2" })).toEqual(["2"]);
  expect(found({ project: "shop" })).toEqual(["1"]);
  expect(found({ use: "unused" })).toEqual(["2"]);
  expect(found({})).toEqual(["2", "1"]);
});

test("what has no value comes last, whichever way is sorted", () => {
  expect([3, null, 1].sort((a, b) => compare(a, b, 1))).toEqual([1, 3, null]);
  expect([3, null, 1].sort((a, b) => compare(a, b, -1))).toEqual([3, 1, null]);
  expect(compare("web-2", "web-10", 1)).toBeLessThan(0);
});
