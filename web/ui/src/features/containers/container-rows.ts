import type { ContainerView } from "@/api/openapi";
import { containerKey } from "@/api/queries";
import { fitsState, type StateFilter, stateOf, urgencyOf } from "./container-state";

export const SORT_KEYS = [
  "name",
  "state",
  "image",
  "cpu",
  "memory",
  "host",
  "project",
  "service",
  "created",
] as const;
export type SortKey = (typeof SORT_KEYS)[number];

export const GROUPINGS = ["host", "project", "service"] as const;
export type Grouping = (typeof GROUPINGS)[number];

/** Which containers are shown, and in which order. It lives in the address of the page. */
export interface ContainersView {
  text: string;
  host: string;
  project: string;
  service: string;
  /** `key` or `key=value` of a label. */
  label: string;
  state: StateFilter | "";
  sort: SortKey;
  isDescending: boolean;
  group: Grouping | "";
}

export const EVERYTHING: ContainersView = {
  text: "",
  host: "",
  project: "",
  service: "",
  label: "",
  state: "",
  sort: "name",
  isDescending: false,
  group: "",
};

/** How many filters are set, besides the search. */
export function filtersOf(view: ContainersView): number {
  return [view.host, view.project, view.service, view.label, view.state].filter((each) => each !== "").length;
}

/** One line of the list: a container, or the heading of the group that follows. */
export type Item =
  | { kind: "container"; key: string; container: ContainerView }
  | { kind: "group"; key: string; name: string; containers: readonly ContainerView[] };

/** The containers the view shows, in its order; equal ones by name and host, so that rows never trade places. */
export function rowsOf(containers: readonly ContainerView[], view: ContainersView): ContainerView[] {
  const words = view.text.toLowerCase().split(/\s+/).filter(Boolean);
  const direction = view.isDescending ? -1 : 1;
  return containers
    .filter((container) => fits(container, view, words))
    .sort((a, b) => direction * compare(a, b, view.sort) || byName(a, b));
}

/** The rows with headings, groups by name; what belongs to none comes last. */
export function itemsOf(rows: readonly ContainerView[], grouping: Grouping | ""): Item[] {
  if (grouping === "") return rows.map(itemOf);
  const groups = new Map<string, ContainerView[]>();
  for (const row of rows) {
    const name = groupOf(row, grouping);
    const group = groups.get(name);
    if (group === undefined) groups.set(name, [row]);
    else group.push(row);
  }
  return [...groups]
    .sort(([a], [b]) => Number(a === "") - Number(b === "") || collator.compare(a, b))
    .flatMap(([name, group]): Item[] => [
      { kind: "group", key: `group ${name}`, name, containers: group },
      ...group.map(itemOf),
    ]);
}

function itemOf(container: ContainerView): Item {
  return { kind: "container", key: containerKey(container), container };
}

function groupOf(container: ContainerView, grouping: Grouping): string {
  switch (grouping) {
    case "host":
      return container.node_name;
    case "project":
      return container.project;
    case "service":
      return serviceOf(container);
  }
}

/** A service with its project, as one service name occurs in many projects. Ours have it in their id. */
export function serviceOf({ project, service, is_managed }: ContainerView): string {
  return service === "" || is_managed || project === "" ? service : `${project}.${service}`;
}

/** Some containers for a first look: what is not well, the worst first, then what is busiest. */
export function digestOf(containers: readonly ContainerView[], count: number): ContainerView[] {
  return [...containers]
    .sort(
      (a, b) => lookRank(a) - lookRank(b) || (b.cpu_percent ?? -1) - (a.cpu_percent ?? -1) || byName(a, b),
    )
    .slice(0, count);
}

/** What does nothing, and is meant to, comes after what is well. */
function lookRank(container: ContainerView): number {
  const urgency = urgencyOf(container);
  return urgency === 2 ? 4 : urgency;
}

function fits(container: ContainerView, view: ContainersView, words: readonly string[]): boolean {
  if (view.host !== "" && container.node_name !== view.host) return false;
  if (view.project !== "" && container.project !== view.project) return false;
  if (view.service !== "" && serviceOf(container) !== view.service) return false;
  if (view.state !== "" && !fitsState(container, view.state)) return false;
  if (view.label !== "" && !hasLabel(container, view.label)) return false;
  if (words.length === 0) return true;
  const text =
    `${container.name} ${container.image} ${container.project} ${container.service} ${container.node_name} ${container.id}`.toLowerCase();
  return words.every((word) => text.includes(word));
}

function hasLabel({ labels }: ContainerView, wanted: string): boolean {
  const at = wanted.indexOf("=");
  if (at === -1) return Object.keys(labels ?? {}).some((key) => key.includes(wanted));
  return (labels?.[wanted.slice(0, at)] ?? null) === wanted.slice(at + 1);
}

/** Several columns at once would say little; text in the order people read numbers in it: web-2 before web-10. */
const collator = new Intl.Collator("en", { numeric: true });

function compare(a: ContainerView, b: ContainerView, key: SortKey): number {
  switch (key) {
    case "name":
      return collator.compare(a.name, b.name);
    case "state":
      return urgencyOf(a) - urgencyOf(b) || collator.compare(stateOf(a).word, stateOf(b).word);
    case "image":
      return collator.compare(a.image, b.image);
    case "cpu":
      return (a.cpu_percent ?? -1) - (b.cpu_percent ?? -1);
    case "memory":
      return (a.memory_bytes ?? -1) - (b.memory_bytes ?? -1);
    case "host":
      return collator.compare(a.node_name, b.node_name);
    case "project":
      return collator.compare(a.project, b.project);
    case "service":
      return collator.compare(serviceOf(a), serviceOf(b));
    case "created":
      return a.created_at_ms - b.created_at_ms;
  }
}

function byName(a: ContainerView, b: ContainerView): number {
  return (
    collator.compare(a.name, b.name) || collator.compare(a.node_name, b.node_name) || (a.id < b.id ? -1 : 1)
  );
}

/** The distinct values of a column, for a filter. */
export function choicesOf(
  containers: readonly ContainerView[],
  of: (container: ContainerView) => string,
): string[] {
  return [...new Set(containers.map(of))].filter((value) => value !== "").sort(collator.compare);
}

const LABELS_OFFERED_MAX = 200;
/** Compose and the cluster write these for themselves; there are columns for what they say. */
const OWN_LABELS = /^(com\.docker\.compose\.|tower\.|org\.opencontainers\.|desktop\.docker\.)/;

/** Labels people have given, as `key=value`, to be offered. */
export function labelsOf(containers: readonly ContainerView[]): string[] {
  const found = new Set<string>();
  for (const { labels } of containers) {
    for (const [key, value] of Object.entries(labels ?? {})) {
      if (OWN_LABELS.test(key)) continue;
      found.add(value === "" ? key : `${key}=${value}`);
      if (found.size >= LABELS_OFFERED_MAX) break;
    }
  }
  return [...found].sort(collator.compare);
}
