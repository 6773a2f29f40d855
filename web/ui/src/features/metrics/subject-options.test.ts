import { expect, test } from "vitest";
import { found } from "./subject-options";

const KNOWN = {
  hosts: ["h1", "h2"],
  services: ["shop.web"],
  containers: [
    { name: "web-1", node: "h1" },
    { name: "web-1", node: "h1" },
    { name: "web-1", node: "h2" },
    { name: "old-web", node: "h1" },
  ],
};

const keys = (text: string) => found(KNOWN, text, []).map(({ key }) => key);

test("what begins with the text comes first, and each once", () => {
  expect(keys("web")).toEqual([
    "container:h1/web-1",
    "container:h2/web-1",
    "service:shop.web",
    "container:h1/old-web",
  ]);
});

test("every word must fit, a host's name or a kind too", () => {
  expect(keys("web h2")).toEqual(["container:h2/web-1"]);
  expect(keys("service")).toEqual(["service:shop.web"]);
  expect(keys("moon")).toEqual([]);
});

test("what is shown already is not offered again", () => {
  expect(found(KNOWN, "h", [{ kind: "host", name: "h1" }]).map(({ key }) => key)).not.toContain("host:h1");
});
