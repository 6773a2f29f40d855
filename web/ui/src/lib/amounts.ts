/** Amounts as people type them. */

const UNITS: Record<string, number> = { "": 1, b: 1, k: 1024, m: 1024 ** 2, g: 1024 ** 3, t: 1024 ** 4 };

/** "512m", "1.5 GiB", "2048" in bytes; null for what is no amount. */
export function bytesIn(text: string): number | null {
  const found = /^\s*(\d+(?:[.,]\d+)?)\s*([kmgt]?)(?:i?b)?\s*$/i.exec(text);
  if (found === null) return null;
  const [, digits = "", unit = ""] = found;
  return Math.round(Number(digits.replace(",", ".")) * (UNITS[unit.toLowerCase()] ?? 1));
}

/** The shortest text that means exactly so many bytes: "512m", "1g", "1000". */
export function bytesText(bytes: number | null): string {
  if (bytes === null) return "";
  for (const unit of ["t", "g", "m", "k"]) {
    const size = UNITS[unit] ?? 1;
    if (bytes >= size && bytes % size === 0) return `${bytes / size}${unit}`;
  }
  return String(bytes);
}

/** A number with "." or ","; null for none. */
export function numberIn(text: string): number | null {
  const found = /^\s*\d+(?:[.,]\d+)?\s*$/.test(text);
  return found ? Number(text.trim().replace(",", ".")) : null;
}
