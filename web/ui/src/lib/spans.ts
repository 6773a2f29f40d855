/** Spans of time as people write them in forms: "90s", "5m", "2h", "10d". */

const UNITS_S = { s: 1, m: 60, h: 3_600, d: 86_400 } as const;
const SPAN = /^\s*(\d{1,7})\s*([smhd]?)\s*$/i;

/** Seconds; null for what is no span. A number alone is seconds, and nothing at all is none. */
export function parseSpan(text: string): number | null {
  if (text.trim() === "") return 0;
  const found = SPAN.exec(text);
  if (found === null) return null;
  const unit = (found[2]?.toLowerCase() || "s") as keyof typeof UNITS_S;
  return Number(found[1]) * UNITS_S[unit];
}

/** In the largest unit that gives a whole number; "" for none. */
export function spanText(seconds: number): string {
  if (seconds === 0) return "";
  for (const unit of ["d", "h", "m"] as const) {
    if (seconds % UNITS_S[unit] === 0) return `${seconds / UNITS_S[unit]}${unit}`;
  }
  return `${seconds}s`;
}
