import { useSyncExternalStore } from "react";

/** Beside the name, which is always there. */
export const COLUMNS = [
  "state",
  "image",
  "cpu",
  "memory",
  "host",
  "project",
  "service",
  "ports",
  "created",
] as const;
export type Column = (typeof COLUMNS)[number];

const SHOWN_AT_FIRST: readonly Column[] = ["state", "image", "cpu", "memory", "host", "project"];
const KEY = "tower.containers.columns";
const listeners = new Set<() => void>();
let shown: readonly Column[] = stored();

/** What a text of the browser's storage means; anything it does not know is left out. */
export function parseColumns(text: string | null): readonly Column[] {
  if (text === null) return SHOWN_AT_FIRST;
  const names = text.split(",");
  return COLUMNS.filter((column) => names.includes(column));
}

function stored(): readonly Column[] {
  try {
    return parseColumns(localStorage.getItem(KEY));
  } catch {
    // Storage is blocked, or this is no browser.
    return SHOWN_AT_FIRST;
  }
}

/** Show a column, or not, in this browser. */
export function toggleColumn(column: Column): void {
  const next = shown.includes(column) ? shown.filter((each) => each !== column) : [...shown, column];
  shown = COLUMNS.filter((each) => next.includes(each));
  try {
    localStorage.setItem(KEY, shown.join(","));
  } catch {
    // Storage is blocked: the choice holds for this page.
  }
  for (const each of listeners) each();
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** The columns somebody wants to see, in their order. */
export function useColumns(): readonly Column[] {
  return useSyncExternalStore(subscribe, () => shown);
}
