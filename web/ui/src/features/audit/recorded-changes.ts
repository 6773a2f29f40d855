/** What an entry's reason says of changed fields, taken apart: `changed soak_s: 1800 → 600; changed hosts: [] → ["h2"]`. */

export interface RecordedChange {
  field: string;
  /** As people read them; null where there was or is nothing. */
  before: string | null;
  after: string | null;
}

const MARK = "changed ";
const ARROW = " → ";

/** The reason without the changes, and those. What does not read as a change stays in the reason. */
export function changesIn(reason: string): { reason: string; changes: RecordedChange[] } {
  const rest: string[] = [];
  const changes: RecordedChange[] = [];
  for (const part of partsOf(reason)) {
    const change = changeOf(part);
    if (change === null) rest.push(part);
    else changes.push(change);
  }
  return { reason: rest.join("; "), changes };
}

/** What stands between semicolons; those inside of quotes belong to a value. */
function partsOf(text: string): string[] {
  const parts: string[] = [];
  let part = "";
  let isQuoted = false;
  for (let at = 0; at < text.length; at += 1) {
    const character = text.charAt(at);
    if (isQuoted && character === "\\") {
      part += character + text.charAt(at + 1);
      at += 1;
      continue;
    }
    // Words of people may have a single quote mark: only values are quoted.
    if (character === '"' && part.startsWith(MARK)) isQuoted = !isQuoted;
    if (!isQuoted && text.startsWith("; ", at)) {
      parts.push(part);
      part = "";
      at += 1;
    } else {
      part += character;
    }
  }
  return [...parts, part].filter((each) => each !== "");
}

function changeOf(part: string): RecordedChange | null {
  if (!part.startsWith(MARK)) return null;
  const colon = part.indexOf(": ");
  const field = part.slice(MARK.length, colon);
  if (colon < 0 || !/^[\w.-]+$/.test(field)) return null;
  const values = part.slice(colon + 2);
  for (let at = values.indexOf(ARROW); at >= 0; at = values.indexOf(ARROW, at + 1)) {
    const before = readValue(values.slice(0, at));
    const after = readValue(values.slice(at + ARROW.length));
    if (before !== undefined && after !== undefined) return { field, before, after };
  }
  return null;
}

/** A JSON value as text; undefined for what is none. */
function readValue(json: string): string | null | undefined {
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch {
    return undefined;
  }
  if (value === null) return null;
  if (typeof value === "string") return value;
  return Array.isArray(value) ? value.map(String).join(", ") : JSON.stringify(value);
}
