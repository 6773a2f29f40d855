import { describe, expect, it } from "vitest";
import { groupRolesText, parseGroupRoles } from "./group-roles";

describe("groups and their roles as text", () => {
  it("comes back as it was", () => {
    const roles = [
      { group: "/ops", role: "operator" as const },
      { group: "CN=admins,DC=corp", role: "admin" as const },
    ];
    expect(parseGroupRoles(groupRolesText(roles))).toEqual({ roles });
  });

  it("passes over empty lines and spaces", () => {
    expect(parseGroupRoles("\n  ops=viewer \n\n")).toEqual({ roles: [{ group: "ops", role: "viewer" }] });
  });

  it.each(["ops", "= admin", "ops = root", "ops ="])("says which line is none: %s", (line) => {
    expect(parseGroupRoles(`a = viewer\n${line}`)).toEqual({ wrong: line.trim() });
  });
});
