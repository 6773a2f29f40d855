import { describe, expect, it } from "vitest";
import { parseLoginSearch } from "./login-search";

describe("the address of the login page", () => {
  it("leads to a page of this site", () => {
    expect(parseLoginSearch({ next: "/services?q=web" }).next).toBe("/services?q=web");
  });

  it.each(["//evil.example", "/\\evil.example", "https://evil.example", "services", "", 7])(
    "leads nowhere else: %s",
    (next) => {
      expect(parseLoginSearch({ next }).next).toBeUndefined();
    },
  );
});
