import type { GroupRoleView } from "@/api/openapi";

export interface GroupRole {
  group: string;
  role: "viewer" | "operator" | "admin";
}

const ROLES: readonly string[] = ["viewer", "operator", "admin"];

/** What a mapping looks like as text: a line for each group. */
export function groupRolesText(roles: readonly GroupRoleView[]): string {
  return roles.map(({ group, role }) => `${group} = ${role}`).join("\n");
}

/** The mapping of a text, or the first line that is none. A group may hold "=": the last one counts. */
export function parseGroupRoles(text: string): { roles: GroupRole[] } | { wrong: string } {
  const roles: GroupRole[] = [];
  for (const line of text.split("\n").map((each) => each.trim())) {
    if (line === "") continue;
    const at = line.lastIndexOf("=");
    const group = line.slice(0, Math.max(0, at)).trim();
    const role = line.slice(at + 1).trim();
    if (at === -1 || group === "" || !ROLES.includes(role)) return { wrong: line };
    roles.push({ group, role: role as GroupRole["role"] });
  }
  return { roles };
}
