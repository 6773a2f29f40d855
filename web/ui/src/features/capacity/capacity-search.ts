import { flagIn, textIn, wholeIn } from "@/components/page-search";

/** The part of the page's address after the `?`. */
export interface CapacitySearch {
  /** The resource whose course is open. */
  course?: string | undefined;
  /** Also what does not fill up. */
  all?: true | undefined;
  /** What if this host were lost. */
  lost?: string | undefined;
  /** What if this service had so many more replicas. */
  service?: string | undefined;
  replicas?: number | undefined;
}

const REPLICAS_MAX = 100;

export function parseSearch(raw: Record<string, unknown>): CapacitySearch {
  const service = textIn(raw.service);
  const replicas = wholeIn(raw.replicas) ?? 1;
  return {
    course: textIn(raw.course),
    all: flagIn(raw.all),
    lost: textIn(raw.lost),
    service,
    // Replicas are of a service.
    replicas: service === undefined ? undefined : replicas <= REPLICAS_MAX ? replicas : 1,
  };
}
