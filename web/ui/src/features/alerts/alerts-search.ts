import { oneIn, textIn, wholeIn } from "@/components/page-search";

export const TABS = ["open", "past", "rules", "silences"] as const;
export type Tab = (typeof TABS)[number];
export const GRADES = ["critical", "warning", "info"] as const;
export type Grade = (typeof GRADES)[number];

/** The part of the page's address after the `?`. What is as usual is left out. */
export interface AlertsSearch {
  tab?: Tab | undefined;
  q?: string | undefined;
  /** At least so bad. */
  grade?: Grade | undefined;
  /** The alert that is pointed at. */
  alert?: number | undefined;
  /** The rule that is open; "" for a new one. */
  rule?: string | undefined;
}

export function parseSearch(raw: Record<string, unknown>): AlertsSearch {
  return {
    tab: oneIn(TABS, raw.tab),
    q: textIn(raw.q),
    grade: oneIn(GRADES, raw.grade),
    alert: wholeIn(raw.alert),
    rule: textIn(raw.rule),
  };
}
