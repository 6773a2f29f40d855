/** The only place where numbers, units, times and names of things are turned into text. */

import { defineMessages, language, pluralOf, textsOf } from "./i18n";

const BYTE_UNITS = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"] as const;
const SECOND_MS = 1_000;
const MINUTE_MS = 60 * SECOND_MS;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;

/** What stands where a number is not known. */
export const UNKNOWN = "–";

const messages = defineMessages({
  en: {
    never: "never",
    now: "now",
    ago: (duration: string) => `${duration} ago`,
    day: "d",
    locale: "en-GB",
    decimal: ".",
  },
  it: {
    never: "mai",
    now: "ora",
    ago: (duration) => `${duration} fa`,
    day: "g",
    locale: "it-IT",
    decimal: ",",
  },
});

/** One of each language: making them is dear, and lists format thousands of values. */
function perLanguage<Value>(make: (locale: string) => Value): () => Value {
  const made = { en: make(messages.en.locale), it: make(messages.it.locale) };
  return () => made[language()];
}

// Four digits are grouped too, as in "1.234", so that columns of numbers read alike.
const integer = perLanguage(
  (locale) => new Intl.NumberFormat(locale, { maximumFractionDigits: 0, useGrouping: "always" }),
);

/** `value` with so many digits after the decimal sign of the language. */
function fixed(value: number, digits: number): string {
  return value.toFixed(digits).replace(".", textsOf(messages).decimal);
}

/** At most three digits, so that a changing value keeps its width: 1.25, 12.5, 125. */
function threeDigits(value: number): string {
  if (value >= 99.95) return value.toFixed(0);
  if (value >= 9.995) return fixed(value, 1);
  return fixed(value, 2);
}

export function formatCount(value: number): string {
  return integer().format(value);
}

export function formatBytes(bytes: number | null | undefined): string {
  if (bytes == null || !Number.isFinite(bytes)) return UNKNOWN;
  let value = bytes;
  let unit = 0;
  while (value >= 999.5 && unit < BYTE_UNITS.length - 1) {
    value /= 1024;
    unit += 1;
  }
  const name = BYTE_UNITS[unit] ?? "B";
  return unit === 0 ? `${Math.round(value)} ${name}` : `${threeDigits(value)} ${name}`;
}

/** A size that stays as it is, such as a host's memory: "16 GiB", not "16.0 GiB". */
export function formatSize(bytes: number): string {
  return formatBytes(bytes).replace(/[.,]0+(?= )/, "");
}

/** `percent` is 0 to 100 per core or host; small values keep a digit, so that idle and dead differ. */
export function formatPercent(percent: number | null | undefined): string {
  if (percent == null || !Number.isFinite(percent)) return UNKNOWN;
  return percent < 9.95 ? `${fixed(percent, 1)} %` : `${percent.toFixed(0)} %`;
}

/** A share in thousandths, as people say it: "2.5 %". */
export function formatShare(permille: number): string {
  return `${String(permille / 10).replace(".", textsOf(messages).decimal)} %`;
}

/** How long, in the one or two largest units: "42 s", "3 min", "2 h 5 min", "3 d 4 h". */
export function formatDuration(ms: number): string {
  const positive = Math.max(0, ms);
  if (positive < MINUTE_MS) return `${Math.floor(positive / SECOND_MS)} s`;
  if (positive < HOUR_MS) return `${Math.floor(positive / MINUTE_MS)} min`;
  if (positive < DAY_MS) return twoUnits(positive, HOUR_MS, "h", MINUTE_MS, "min");
  return twoUnits(positive, DAY_MS, textsOf(messages).day, HOUR_MS, "h");
}

function twoUnits(ms: number, large: number, largeName: string, small: number, smallName: string): string {
  const rest = Math.floor((ms % large) / small);
  const head = `${Math.floor(ms / large)} ${largeName}`;
  return rest === 0 ? head : `${head} ${rest} ${smallName}`;
}

/** How long before `nowMs` something was: "now", "42 s ago". */
export function formatAge(atMs: number | null | undefined, nowMs: number): string {
  const t = textsOf(messages);
  if (atMs == null) return t.never;
  const age = nowMs - atMs;
  return age < SECOND_MS ? t.now : t.ago(formatDuration(age));
}

const clock = perLanguage(
  (locale) => new Intl.DateTimeFormat(locale, { hour: "2-digit", minute: "2-digit", second: "2-digit" }),
);
const moment = perLanguage(
  (locale) => new Intl.DateTimeFormat(locale, { dateStyle: "medium", timeStyle: "medium" }),
);

/** Local time of day, "14:03:59". */
export function formatClock(atMs: number): string {
  return clock().format(atMs);
}

/** Local date and time, for titles and details. */
export function formatMoment(atMs: number): string {
  return moment().format(atMs);
}

/** "1 host", "3 hosts". Both forms where the language is not English: `plural(n, "servizio", "servizi")`. */
export function plural(count: number, one: string, many = `${one}s`): string {
  return `${formatCount(count)} ${pluralOf(count, one, many)}`;
}

/** With a large first letter. */
export function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

export interface ImageName {
  /** Without registry and digest: what people call it. */
  short: string;
  tag: string;
  full: string;
}

/** Takes `registry:5000/team/web:1.2@sha256:…` apart. */
export function parseImage(reference: string): ImageName {
  const named = reference.split("@")[0] ?? reference;
  const slash = named.lastIndexOf("/");
  const last = named.slice(slash + 1);
  const colon = last.lastIndexOf(":");
  const tag = colon === -1 ? "" : last.slice(colon + 1);
  const path = colon === -1 ? named : named.slice(0, slash + 1 + colon);
  const [head = "", ...rest] = path.split("/");
  const isRegistry = rest.length > 0 && (/[.:]/.test(head) || head === "localhost");
  return { short: isRegistry ? rest.join("/") : path, tag, full: reference };
}

/** The first 12 characters, as Docker shows ids. */
export function shortId(id: string): string {
  return id.slice(0, 12);
}
