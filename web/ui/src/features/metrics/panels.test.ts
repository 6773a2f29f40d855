import { describe, expect, test } from "vitest";
import { metricsOf, panelsOf } from "./panels";
import { keyOf, parseSubjects, type Subject, subjectsText } from "./subjects";

const HOST: Subject = { kind: "host", name: "h1" };
const SERVICE: Subject = { kind: "service", name: "shop.web" };
const CONTAINER: Subject = { kind: "container", node: "h1", name: "web-1" };

describe("what is in the address", () => {
  test("comes back as it was written", () => {
    const all = [HOST, SERVICE, CONTAINER];
    expect(parseSubjects(subjectsText(all))).toEqual(all);
  });
  test("is left out when it is nonsense, and counts once", () => {
    expect(parseSubjects("host:h1,moon:x,host:,container:h1,host:h1,")).toEqual([HOST]);
    expect(parseSubjects(undefined)).toEqual([]);
  });
  test("has an end", () => {
    const many = Array.from({ length: 40 }, (_, place) => `host:h${place}`).join(",");
    expect(parseSubjects(many)).toHaveLength(6);
  });
  test("a colon in a name stays in it", () => {
    expect(parseSubjects("service:a:b").map(keyOf)).toEqual(["service:a:b"]);
  });
});

describe("the charts", () => {
  test.each([
    ["everything", []],
    ["a host", [HOST]],
    ["a service", [SERVICE]],
    ["a container", [CONTAINER]],
    ["several", [HOST, CONTAINER, SERVICE]],
  ])("of %s each ask for something, and have one place each", (_, subjects) => {
    const panels = panelsOf(subjects as Subject[]);
    expect(new Set(panels.map(({ key }) => key)).size).toBe(panels.length);
    for (const panel of panels) {
      expect(panel.asks.length).toBeGreaterThan(0);
      expect(metricsOf(panel).every((metric) => metric !== "")).toBe(true);
    }
  });
  test("of a host ask that host alone", () => {
    for (const panel of panelsOf([HOST])) {
      for (const ask of panel.asks) expect(ask.query.node).toBe("h1");
    }
  });
  test("of several services have their requests; of hosts there are none", () => {
    const keys = (subjects: Subject[]) => panelsOf(subjects).map(({ key }) => key);
    expect(keys([SERVICE, { kind: "service", name: "shop.api" }])).toContain("latency");
    expect(keys([HOST, { kind: "host", name: "h2" }])).not.toContain("latency");
  });
  test("of several things of different kinds ask for requests of the services only", () => {
    const requests = panelsOf([HOST, SERVICE]).find(({ key }) => key === "requests");
    expect(requests?.asks.map(({ query }) => query.subject)).toEqual(["shop.web"]);
  });
  test("that stack the largest ask for the total, too", () => {
    const stacks = panelsOf([]).filter(({ key }) => key.startsWith("containers"));
    expect(stacks.map(({ asks }) => asks.map(({ part }) => part))).toEqual([
      ["lines", "total"],
      ["lines", "total"],
    ]);
  });
});
