import { expect, test } from "vitest";
import { ownPath } from "./paths";

const ORIGIN = "https://h1:7443";

test.each([
  ["/explore?of=host:h1#cpu", "/explore?of=host:h1#cpu"],
  ["/", "/"],
  ["/a/../alerts", "/alerts"],
])("%s is a page of the dashboard", (path, own) => {
  expect(ownPath(path, ORIGIN)).toBe(own);
});

test.each([
  "https://evil.example/",
  "//evil.example/",
  "/\\evil.example/",
  "/\t/evil.example/",
  "javascript:alert(1)",
  "alerts",
  "",
  "/api/v1/users",
])("%j leads nowhere", (path) => {
  expect(ownPath(path, ORIGIN)).toBeNull();
});
