import type { HoursView, ScopeBody } from "@/api/openapi";
import { listIn } from "@/lib/lists";

export const SCOPE_FIELDS = [
  "projects",
  "services",
  "labels",
  "nodes",
  "names",
  "environments",
  "without_labels",
] as const;
export type ScopeField = (typeof SCOPE_FIELDS)[number];

/** What somebody typed into the fields of a scope: names separated by commas. */
export type ScopeDraft = Partial<Record<ScopeField, string>>;

export const DAYS = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"] as const;
export type Day = (typeof DAYS)[number];

/** The scope that was typed. An empty field is no constraint. */
export function scopeOf(draft: ScopeDraft): ScopeBody {
  const scope: Record<string, string[] | null> = {};
  for (const field of SCOPE_FIELDS) {
    const names = listIn(draft[field] ?? "");
    scope[field] = names.length === 0 ? null : names;
  }
  return scope as unknown as ScopeBody;
}

export function draftOf(scope: { readonly [Field in ScopeField]: readonly string[] | null }): ScopeDraft {
  const draft: ScopeDraft = {};
  for (const field of SCOPE_FIELDS) {
    const names = scope[field];
    if (names !== null) draft[field] = names.join(", ");
  }
  return draft;
}

interface ScopeTexts {
  everything: string;
  or: string;
  scopeWords: Readonly<Record<ScopeField, string>>;
}

/** A scope for people, as `project shop, label team=web or tier`. */
export function scopeText(
  scope: { readonly [Field in ScopeField]: readonly string[] | null },
  t: ScopeTexts,
): string {
  const parts = SCOPE_FIELDS.flatMap((field) => {
    const names = scope[field];
    return names === null ? [] : [`${t.scopeWords[field]} ${names.join(` ${t.or} `)}`];
  });
  return parts.join(", ") || t.everything;
}

/** Hours for people, as `mon-fri 09:00–17:00 Europe/Rome`. */
export function hoursText(hours: readonly HoursView[], dayName: (day: Day) => string): string {
  return hours
    .map((each) => {
      const days = each.days as Day[];
      const when = `${each.start}–${each.end} ${each.tz}`;
      return days.length === DAYS.length ? when : `${daysText(days, dayName)} ${when}`;
    })
    .join("; ");
}

function daysText(days: readonly Day[], dayName: (day: Day) => string): string {
  const places = days.map((day) => DAYS.indexOf(day)).sort((a, b) => a - b);
  const [first, last] = [places[0] ?? 0, places.at(-1) ?? 0];
  const isRun = places.length > 2 && last - first === places.length - 1;
  if (isRun) return `${dayName(DAYS[first] ?? "mon")}–${dayName(DAYS[last] ?? "sun")}`;
  return places.map((place) => dayName(DAYS[place] ?? "mon")).join(", ");
}

/** The browser's own zone, which is most likely meant. */
export function ownZone(): string {
  return Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC";
}
