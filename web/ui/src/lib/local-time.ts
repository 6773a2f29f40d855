/** A moment as a field for local date and time holds it: "2026-12-01T14:05". */
export function localInput(atMs: number): string {
  const at = new Date(atMs);
  const two = (value: number) => String(value).padStart(2, "0");
  return `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}T${two(at.getHours())}:${two(at.getMinutes())}`;
}

/** What such a field says; null when it says nothing. */
export function momentOf(text: string): number | null {
  const atMs = new Date(text).getTime();
  return text === "" || Number.isNaN(atMs) ? null : atMs;
}

/** The time zone of this browser, such as Europe/Rome. */
export function timeZone(): string {
  return Intl.DateTimeFormat().resolvedOptions().timeZone;
}
