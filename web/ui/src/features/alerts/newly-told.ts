import type { AlertView } from "@/api/openapi";

/** More at once are one event; the page lists them. */
const NEWS_MAX = 3;

/**
 * Of which alerts people were told since the last look. At the first look (`known` null) nothing is news: the page
 * was opened after it.
 */
export function newlyTold(
  known: ReadonlySet<number> | null,
  open: readonly AlertView[],
): { told: Set<number>; news: AlertView[] } {
  const told = new Set(open.filter(({ told_at_ms }) => told_at_ms !== null).map(({ number }) => number));
  const news =
    known === null
      ? []
      : open.filter(({ number }) => told.has(number) && !known.has(number)).slice(0, NEWS_MAX);
  // What is over and comes again has another number; what was known once stays so.
  for (const number of known ?? []) told.add(number);
  return { told, news };
}
