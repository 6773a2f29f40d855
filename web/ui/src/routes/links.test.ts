import { linkOptions } from "@tanstack/react-router";
import { expect, it } from "vitest";

it("leads to a page with a search that the page understands, and with no other", () => {
  const link = linkOptions({ to: "/logs", search: { c: "web" } });
  expect(link.search).toEqual({ c: "web" });
  // @ts-expect-error: the page of logs has no such parameter
  linkOptions({ to: "/logs", search: { container: "web" } });
  // @ts-expect-error: an alert is named by its number
  linkOptions({ to: "/alerts", search: { alert: "seven" } });
  // @ts-expect-error: this page keeps nothing there
  linkOptions({ to: "/settings", search: { tab: "auth" } });
});
