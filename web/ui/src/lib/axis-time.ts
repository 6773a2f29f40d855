import { type Language, language } from "./i18n";

/** Moments as the labels of an axis: as short as their distance allows. */

const DAY_MS = 86_400_000;
const MINUTE_MS = 60_000;

type Formats = Record<"second" | "minute" | "day" | "month" | "full" | "date", Intl.DateTimeFormat>;

function formatsOf(locale: string): Formats {
  const make = (options: Intl.DateTimeFormatOptions) => new Intl.DateTimeFormat(locale, options);
  return {
    second: make({ hour: "2-digit", minute: "2-digit", second: "2-digit" }),
    minute: make({ hour: "2-digit", minute: "2-digit" }),
    day: make({ day: "numeric", month: "short" }),
    month: make({ month: "short", year: "numeric" }),
    date: make({ day: "numeric", month: "short", year: "numeric" }),
    full: make({ day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" }),
  };
}

const formats: Record<Language, Formats> = { en: formatsOf("en-GB"), it: formatsOf("it-IT") };

/** The label of a tick, of which the next is `stepMs` away. At midnight it is the day that begins. */
export function tickLabel(atMs: number, stepMs: number): string {
  const { second, minute, day, month } = formats[language()];
  if (stepMs >= 27 * DAY_MS) return month.format(atMs);
  const at = new Date(atMs);
  const isMidnight = at.getHours() === 0 && at.getMinutes() === 0 && at.getSeconds() === 0;
  if (stepMs >= DAY_MS || isMidnight) return day.format(atMs);
  return stepMs < MINUTE_MS ? second.format(atMs) : minute.format(atMs);
}

/** A moment among values that are `stepMs` apart, with as much of it as tells them apart. */
export function stepLabel(atMs: number, stepMs: number): string {
  const { second, day, full } = formats[language()];
  if (stepMs >= DAY_MS) return day.format(atMs);
  return stepMs < MINUTE_MS ? second.format(atMs) : full.format(atMs);
}

/** Two moments as one stretch: what they have in common is said once. */
export function rangeLabel(startMs: number, endMs: number): string {
  const { second, full } = formats[language()];
  const isShort = endMs - startMs <= 10 * MINUTE_MS;
  return (isShort ? second : full).formatRange(startMs, endMs);
}

/** A day of some year, as "12 Nov 2026". */
export function formatDay(atMs: number): string {
  return formats[language()].date.format(atMs);
}
