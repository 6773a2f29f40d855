import type { ContainerView } from "@/api/openapi";
import type { Verb } from "./container-actions";
import type { ContainersView, Item } from "./container-rows";
import type { Courses } from "./courses";
import type { Selection } from "./selection";

/** What a table and a list of cards show alike. */
export interface ListProps {
  items: readonly Item[];
  view: ContainersView;
  can: (action: string) => boolean;
  courses: Courses;
  /** Hosts whose containers are only known from before. */
  staleHosts: ReadonlySet<string>;
  selection: Selection;
  /** The container the keys act on, by key. */
  active: string | null;
  /** The container whose row is to take the focus once it is there: one that the keys have come to. */
  wanted: { current: string | null };
  /** Something in this container's row has the focus. */
  onActive: (key: string) => void;
  onToggle: (key: string, isRange: boolean) => void;
  onToggleAll: (keys: readonly string[]) => void;
  onOpen: (container: ContainerView) => void;
  onLogs: (container: ContainerView) => void;
  onVerb: (container: ContainerView, verb: Verb) => void;
}

/** The keys of the containers among the items, in order. */
export function keysOf(items: readonly Item[]): string[] {
  return items.filter(({ kind }) => kind === "container").map(({ key }) => key);
}
