import { oneIn, textIn } from "@/components/page-search";
import { PRESETS, type Preset } from "@/lib/time-range";

export const TABS = [
  "overview",
  "logs",
  "processes",
  "files",
  "terminal",
  "environment",
  "inspect",
  "settings",
] as const;
export type Tab = (typeof TABS)[number];

/** What of the page is in its address. What is as usual is left out. */
export interface ContainerSearch {
  tab?: Tab | undefined;
  /** The directory that is open under Files. */
  path?: string | undefined;
  /** How much time the charts show. */
  span?: Preset | undefined;
  /** What is looked for in the engine's description. */
  find?: string | undefined;
}

export function parseContainerSearch(raw: Record<string, unknown>): ContainerSearch {
  const path = textIn(raw.path);
  return {
    tab: oneIn(TABS, raw.tab),
    path: path?.startsWith("/") ? path : undefined,
    span: oneIn(PRESETS, raw.span),
    find: textIn(raw.find),
  };
}
