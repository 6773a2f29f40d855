import { formatCount, formatDuration } from "@/lib/format";
import { language } from "@/lib/i18n";

/** Every digit that tells a small rate from none: "0.25 %", and no more than two. */
const rates = {
  en: new Intl.NumberFormat("en-GB", { maximumFractionDigits: 2 }),
  it: new Intl.NumberFormat("it-IT", { maximumFractionDigits: 2 }),
};

/** A share from 0 to 1, as percent. */
export function formatRate(rate: number): string {
  return `${rates[language()].format(rate * 100)} %`;
}

/** Milliseconds of an answer: "0.4 ms", "12 ms", "1.2 s". */
export function formatMs(ms: number): string {
  if (ms >= 60_000) return formatDuration(ms);
  if (ms >= 1_000) return `${rates[language()].format(ms / 1_000)} s`;
  return ms >= 10 ? `${formatCount(ms)} ms` : `${rates[language()].format(ms)} ms`;
}
