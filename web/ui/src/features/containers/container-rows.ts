import type { ContainerView } from "@/api/openapi";
import { fitsState, type StateFilter, stateOf } from "./container-state";

export const SORT_KEYS = ["name", "state", "image", "cpu", "memory", "host", "project"] as const;
export type SortKey = (typeof SORT_KEYS)[number];

/** Which containers are shown, and in which order. It lives in the address of the page. */
export interface ContainersView {
  text: string;
  host: string;
  project: string;
  state: StateFilter | "";
  sort: SortKey;
  isDescending: boolean;
}

export const EVERYTHING: ContainersView = {
  text: "",
  host: "",
  project: "",
  state: "",
  sort: "name",
  isDescending: false,
};

/** The containers the view shows, in its order; equal ones by name and host, so that rows never trade places. */
export function rowsOf(containers: readonly ContainerView[], view: ContainersView): ContainerView[] {
  const words = view.text.toLowerCase().split(/\s+/).filter(Boolean);
  const direction = view.isDescending ? -1 : 1;
  return containers
    .filter((container) => fits(container, view, words))
    .sort((a, b) => direction * compare(a, b, view.sort) || byName(a, b));
}

function fits(container: ContainerView, view: ContainersView, words: readonly string[]): boolean {
  if (view.host !== "" && container.node_name !== view.host) return false;
  if (view.project !== "" && container.project !== view.project) return false;
  if (view.state !== "" && !fitsState(container, view.state)) return false;
  if (words.length === 0) return true;
  const text =
    `${container.name} ${container.image} ${container.project} ${container.service} ${container.node_name} ${container.id}`.toLowerCase();
  return words.every((word) => text.includes(word));
}

/** Several columns at once would say little; text in the order people read numbers in it: web-2 before web-10. */
const collator = new Intl.Collator("en", { numeric: true });

function compare(a: ContainerView, b: ContainerView, key: SortKey): number {
  switch (key) {
    case "name":
      return collator.compare(a.name, b.name);
    case "state":
      return collator.compare(stateOf(a).word, stateOf(b).word);
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
