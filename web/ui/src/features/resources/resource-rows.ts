import type { ImageView, NetworkView, ProjectView, VolumeView } from "@/api/openapi";

export const TABS = ["images", "volumes", "networks", "projects"] as const;
export type TabName = (typeof TABS)[number];

export const USES = ["used", "kept", "unused"] as const;
/** In use; needed although nobody uses it; or neither. */
export type Use = (typeof USES)[number];

/** Which rows, and in which order. It lives in the address of the page. */
export interface ResourcesView {
  tab: TabName;
  text: string;
  host: string;
  project: string;
  use: Use | "";
  sort: string;
  isDescending: boolean;
}

export const EVERYTHING: Omit<ResourcesView, "tab"> = {
  text: "",
  host: "",
  project: "",
  use: "",
  sort: "",
  isDescending: false,
};

export type Resource = ImageView | VolumeView | NetworkView;

export function useOf(resource: Resource): Use {
  if (resource.users.length > 0) return "used";
  if ("is_built_in" in resource && resource.is_built_in) return "used";
  // Volumes go only by name, so that none of them "may go": what a service needs is another matter.
  if ("service" in resource) return resource.service === "" ? "unused" : "kept";
  return resource.may_go ? "unused" : "kept";
}

/** What people call it. */
export function nameOf(resource: Resource): string {
  if (!("tags" in resource)) return resource.name;
  return resource.tags[0] ?? resource.digests[0] ?? resource.id.replace(/^sha256:/, "").slice(0, 12);
}

/** What the server knows it by. */
export function idOf(resource: Resource): string {
  return "id" in resource ? resource.id : resource.name;
}

export function keyOf(resource: Resource): string {
  return `${resource.node_id} ${idOf(resource)}`;
}

/** The projects that have to do with it: its own, and those of the containers that use it. */
export function projectsOf(resource: Resource): string[] {
  const own = "project" in resource ? [resource.project] : [];
  return [...new Set([...own, ...resource.users.map(({ project }) => project)])].filter(Boolean);
}

const collator = new Intl.Collator("en", { numeric: true });

export type SortValue = string | number | null;

/** The rows that fit, sorted by what `sortedBy` gives for the column; what has no value comes last, whichever way. */
export function rowsOf<Row extends Resource>(
  rows: readonly Row[],
  view: Omit<ResourcesView, "tab">,
  sortedBy: (row: Row, column: string) => SortValue,
): Row[] {
  const words = view.text.toLowerCase().split(/\s+/).filter(Boolean);
  const direction = view.isDescending ? -1 : 1;
  return rows
    .filter((row) => fits(row, view, words))
    .sort(
      (a, b) =>
        compare(sortedBy(a, view.sort), sortedBy(b, view.sort), direction) ||
        collator.compare(nameOf(a), nameOf(b)) ||
        collator.compare(a.node_name, b.node_name) ||
        collator.compare(idOf(a), idOf(b)),
    );
}

function fits(row: Resource, view: Omit<ResourcesView, "tab">, words: readonly string[]): boolean {
  if (view.host !== "" && row.node_name !== view.host) return false;
  if (view.project !== "" && !projectsOf(row).includes(view.project)) return false;
  if (view.use !== "" && useOf(row) !== view.use) return false;
  if (words.length === 0) return true;
  const names = "tags" in row ? [...row.tags, ...row.digests, row.id] : [row.name];
  const text = [...names, row.node_name, ...row.users.map(({ name }) => name)].join(" ").toLowerCase();
  return words.every((word) => text.includes(word));
}

export function compare(a: SortValue, b: SortValue, direction: 1 | -1): number {
  if (a === null || b === null) return Number(a === null) - Number(b === null);
  if (typeof a === "number" && typeof b === "number") return direction * (a - b);
  return direction * collator.compare(String(a), String(b));
}

/** The projects that fit, by name. */
export function projectsFitting(
  projects: readonly ProjectView[],
  view: Omit<ResourcesView, "tab">,
): ProjectView[] {
  const words = view.text.toLowerCase().split(/\s+/).filter(Boolean);
  return projects.filter((project) => {
    if (view.host !== "" && !project.hosts.some(({ node_name }) => node_name === view.host)) return false;
    const text = [project.name, ...project.services].join(" ").toLowerCase();
    return words.every((word) => text.includes(word));
  });
}

export function choicesOf(values: readonly string[]): string[] {
  return [...new Set(values)].filter(Boolean).sort(collator.compare);
}
