import { describe, expect, it } from "vitest";
import { firstPage } from "./pages";

const holding =
  (...actions: string[]) =>
  (action: string) =>
    actions.includes(action);

describe("where somebody begins", () => {
  it("is the overview for those who may read the cluster", () => {
    expect(firstPage(holding("container.read", "cluster.read"))).toBe("/");
  });

  it("is the containers for those who are bound to some of them", () => {
    expect(firstPage(holding("container.logs", "container.read"))).toBe("/containers");
  });

  it("is the first page that is offered otherwise, and one's account without any", () => {
    expect(firstPage(holding("audit.read", "service.read"))).toBe("/services");
    expect(firstPage(holding())).toBe("/account");
  });
});
