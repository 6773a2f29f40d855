import { textIn } from "@/components/page-search";

/** The part of the overview's address after the `?`. */
export interface OverviewSearch {
  /** The container whose logs are open. */
  logs?: string | undefined;
  /** The host whose details are open. */
  details?: string | undefined;
}

/** What of an address this page understands; the rest is dropped. */
export function parseSearch(raw: Record<string, unknown>): OverviewSearch {
  return { logs: textIn(raw.logs), details: textIn(raw.details) };
}
