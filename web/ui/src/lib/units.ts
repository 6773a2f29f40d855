import { formatBytes, formatCount, formatPercent, UNKNOWN } from "./format";
import { type Language, language } from "./i18n";

/** Values of metrics as text, by the unit the server names. */

const plain: Record<Language, Intl.NumberFormat> = {
  en: new Intl.NumberFormat("en-GB", { maximumSignificantDigits: 3 }),
  it: new Intl.NumberFormat("it-IT", { maximumSignificantDigits: 3 }),
};

function number(value: number): string {
  return Math.abs(value) >= 1_000 ? formatCount(value) : plain[language()].format(value);
}

/** A value with its unit: percent, bytes, bytes/s, ms, celsius, count, count/s or 1/s, or "" for a plain number. */
export function formatValue(value: number | null | undefined, unit: string): string {
  if (value == null || !Number.isFinite(value)) return UNKNOWN;
  if (value < 0 && unit.startsWith("bytes")) return `−${formatValue(-value, unit)}`;
  switch (unit) {
    case "percent":
      return formatPercent(value);
    case "bytes":
      return formatBytes(value);
    case "bytes/s":
      return `${formatBytes(value)}/s`;
    case "ms":
      return value < 1_000 ? `${number(value)} ms` : `${number(value / 1_000)} s`;
    case "celsius":
      return `${number(value)} °C`;
    case "count/s":
    case "1/s":
      return `${number(value)}/s`;
    default:
      return number(value);
  }
}

/** Bytes are counted in powers of two. */
export function baseOf(unit: string): 10 | 1024 {
  return unit.startsWith("bytes") ? 1024 : 10;
}
