import { describe, expect, it } from "vitest";
import type { StoredFileView } from "@/api/openapi";
import { base64Of, servicesBehind, usersOf } from "./stored-files";

function stored(...users: string[][]): StoredFileView {
  return {
    name: "db-password",
    environment: "",
    newest: users.length,
    versions: users
      .map((used_by, index) => ({
        version: index + 1,
        size_bytes: 20,
        created_at_ms: 0,
        created_by: "ann",
        used_by,
      }))
      .reverse(),
  };
}

describe("who uses a secret", () => {
  it("is named once, whatever version they have", () => {
    expect(usersOf(stored(["shop.web", "shop.api"], ["shop.web"]))).toEqual(["shop.api", "shop.web"]);
  });

  it("is behind with an earlier version alone", () => {
    expect(servicesBehind(stored(["shop.web", "shop.api"], ["shop.web"]))).toEqual(["shop.api"]);
    expect(servicesBehind(stored([], []))).toEqual([]);
  });
});

describe("a file", () => {
  it("is sent byte for byte, however large", async () => {
    const bytes = new Uint8Array(20_000).map((_, index) => index % 256);
    const sent = atob(await base64Of(new Blob([bytes])));
    expect(sent.length).toBe(20_000);
    expect(sent.charCodeAt(19_999)).toBe(19_999 % 256);
  });
});
