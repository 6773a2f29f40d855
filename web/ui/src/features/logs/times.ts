import { formatAge } from "@/lib/format";

export const TIME_MODES = ["local", "utc", "relative", "off"] as const;
export type TimeMode = (typeof TIME_MODES)[number];

const two = (value: number) => String(value).padStart(2, "0");

/** A line's moment: the time of day to the millisecond, with the date where that is not today's. */
export function stampOf(atUs: number, mode: TimeMode, nowMs: number): string {
  const atMs = Math.floor(atUs / 1_000);
  if (mode === "relative") return formatAge(atMs, nowMs);
  const moment = new Date(atMs);
  const fraction = String(atMs % 1_000).padStart(3, "0");
  if (mode === "utc") {
    const time = `${two(moment.getUTCHours())}:${two(moment.getUTCMinutes())}:${two(moment.getUTCSeconds())}`;
    const date = `${two(moment.getUTCMonth() + 1)}-${two(moment.getUTCDate())}`;
    return isSameDayUtc(moment, new Date(nowMs)) ? `${time}.${fraction}` : `${date} ${time}.${fraction}`;
  }
  const time = `${two(moment.getHours())}:${two(moment.getMinutes())}:${two(moment.getSeconds())}`;
  const date = `${two(moment.getMonth() + 1)}-${two(moment.getDate())}`;
  return isSameDay(moment, new Date(nowMs)) ? `${time}.${fraction}` : `${date} ${time}.${fraction}`;
}

function isSameDay(a: Date, b: Date): boolean {
  return a.getFullYear() === b.getFullYear() && a.getMonth() === b.getMonth() && a.getDate() === b.getDate();
}

function isSameDayUtc(a: Date, b: Date): boolean {
  return a.toISOString().slice(0, 10) === b.toISOString().slice(0, 10);
}

/** What a field of date and time says, in this browser's time zone; null when it says nothing. */
export function momentOfInput(value: string): number | null {
  const atMs = value === "" ? Number.NaN : new Date(value).getTime();
  return Number.isNaN(atMs) ? null : atMs * 1_000;
}

/** The same as such a field has it. */
export function inputOfMoment(atUs: number): string {
  const moment = new Date(Math.floor(atUs / 1_000));
  const date = `${moment.getFullYear()}-${two(moment.getMonth() + 1)}-${two(moment.getDate())}`;
  return `${date}T${two(moment.getHours())}:${two(moment.getMinutes())}:${two(moment.getSeconds())}`;
}
