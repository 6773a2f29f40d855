import { type ContainersView, EVERYTHING, SORT_KEYS } from "@/features/containers/container-rows";
import { STATE_FILTERS } from "@/features/containers/container-state";

/** The part of the overview's address after the `?`. What is as usual is left out. */
export interface OverviewSearch {
  q?: string | undefined;
  host?: string | undefined;
  project?: string | undefined;
  state?: ContainersView["state"] | undefined;
  sort?: ContainersView["sort"] | undefined;
  desc?: true | undefined;
  /** The container whose logs are open, and its host. */
  logs?: string | undefined;
  node?: string | undefined;
  /** The host whose details are open. */
  details?: string | undefined;
}

/** What of an address this page understands; the rest is dropped. */
export function parseSearch(raw: Record<string, unknown>): OverviewSearch {
  return {
    q: text(raw.q),
    host: text(raw.host),
    project: text(raw.project),
    state: oneOf(STATE_FILTERS, raw.state),
    sort: oneOf(SORT_KEYS, raw.sort),
    desc: raw.desc === true ? true : undefined,
    logs: text(raw.logs),
    node: text(raw.node),
    details: text(raw.details),
  };
}

export function viewOf(search: OverviewSearch): ContainersView {
  return {
    text: search.q ?? EVERYTHING.text,
    host: search.host ?? EVERYTHING.host,
    project: search.project ?? EVERYTHING.project,
    state: search.state ?? EVERYTHING.state,
    sort: search.sort ?? EVERYTHING.sort,
    isDescending: search.desc ?? EVERYTHING.isDescending,
  };
}

export function searchOf(view: ContainersView): OverviewSearch {
  return {
    q: view.text || undefined,
    host: view.host || undefined,
    project: view.project || undefined,
    state: view.state || undefined,
    sort: view.sort === EVERYTHING.sort ? undefined : view.sort,
    desc: view.isDescending || undefined,
  };
}

/** Numbers and words such as "true" in an address are read as values; here they are names. */
function text(value: unknown): string | undefined {
  return typeof value === "string" || typeof value === "number" || typeof value === "boolean"
    ? String(value)
    : undefined;
}

function oneOf<Value extends string>(values: readonly Value[], value: unknown): Value | undefined {
  return values.find((each) => each === value);
}
