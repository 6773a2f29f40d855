import { flagIn, oneIn, textIn } from "@/components/page-search";
import {
  type ContainersView,
  EVERYTHING,
  GROUPINGS,
  type Grouping,
  SORT_KEYS,
  type SortKey,
} from "@/features/containers/container-rows";
import { STATE_FILTERS, type StateFilter } from "@/features/containers/container-state";

/** The part of the page's address after the `?`. What is as usual is left out. */
export interface ContainersSearch {
  q?: string | undefined;
  host?: string | undefined;
  project?: string | undefined;
  service?: string | undefined;
  label?: string | undefined;
  state?: StateFilter | undefined;
  sort?: SortKey | undefined;
  desc?: true | undefined;
  group?: Grouping | undefined;
}

/** What of an address this page understands; the rest is dropped. */
export function parseSearch(raw: Record<string, unknown>): ContainersSearch {
  return {
    q: textIn(raw.q),
    host: textIn(raw.host),
    project: textIn(raw.project),
    service: textIn(raw.service),
    label: textIn(raw.label),
    state: oneIn(STATE_FILTERS, raw.state),
    sort: oneIn(SORT_KEYS, raw.sort),
    desc: flagIn(raw.desc),
    group: oneIn(GROUPINGS, raw.group),
  };
}

export function viewOf(search: ContainersSearch): ContainersView {
  return {
    text: search.q ?? EVERYTHING.text,
    host: search.host ?? EVERYTHING.host,
    project: search.project ?? EVERYTHING.project,
    service: search.service ?? EVERYTHING.service,
    label: search.label ?? EVERYTHING.label,
    state: search.state ?? EVERYTHING.state,
    sort: search.sort ?? EVERYTHING.sort,
    isDescending: search.desc ?? EVERYTHING.isDescending,
    group: search.group ?? EVERYTHING.group,
  };
}

export function searchOf(view: ContainersView): ContainersSearch {
  return {
    q: view.text || undefined,
    host: view.host || undefined,
    project: view.project || undefined,
    service: view.service || undefined,
    label: view.label || undefined,
    state: view.state || undefined,
    sort: view.sort === EVERYTHING.sort ? undefined : view.sort,
    desc: view.isDescending || undefined,
    group: view.group || undefined,
  };
}
