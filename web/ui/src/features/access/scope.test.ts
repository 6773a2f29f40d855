import { describe, expect, it } from "vitest";
import { draftOf, hoursText, scopeOf, scopeText } from "./scope";

describe("scopes as they are typed", () => {
  it("has an empty field mean no constraint, and never nothing", () => {
    expect(scopeOf({ projects: "shop", labels: " , " })).toEqual({
      projects: ["shop"],
      services: null,
      labels: null,
      nodes: null,
      names: null,
      environments: null,
      without_labels: null,
    });
  });

  it("reads back what it wrote", () => {
    const scope = scopeOf({ projects: "shop, tools", labels: "team=web" });
    expect(scopeOf(draftOf(scope as never))).toEqual(scope);
  });
});

describe("scopes for people", () => {
  const words = { projects: "project", services: "service", labels: "label", nodes: "host" };
  const texts = {
    everything: "everything",
    or: "or",
    scopeWords: {
      ...words,
      names: "container",
      environments: "environment",
      without_labels: "without label",
    },
  };

  it("names every constraint, and everything where there is none", () => {
    const scope = scopeOf({ projects: "shop", labels: "team=web, tier" });
    expect(scopeText(scope as never, texts)).toBe("project shop, label team=web or tier");
    expect(scopeText(scopeOf({}) as never, texts)).toBe("everything");
  });
});

describe("hours for people", () => {
  const name = (day: string) => day;

  it("says a run of days as one", () => {
    const hours = { days: ["mon", "tue", "wed", "thu", "fri"], start: "09:00", end: "17:00", tz: "UTC" };
    expect(hoursText([hours], name)).toBe("mon–fri 09:00–17:00 UTC");
  });

  it("names days that are apart, and none when it is every day", () => {
    const weekend = { days: ["sat", "mon"], start: "00:00", end: "24:00", tz: "UTC" };
    expect(hoursText([weekend], name)).toBe("mon, sat 00:00–24:00 UTC");
    const daily = {
      days: ["mon", "tue", "wed", "thu", "fri", "sat", "sun"],
      start: "22:00",
      end: "06:00",
      tz: "UTC",
    };
    expect(hoursText([daily], name)).toBe("22:00–06:00 UTC");
  });
});
