/** A line that is a JSON object: what it says, and its other fields as they are shown. */
export interface JsonLine {
  message: string;
  /** Path with dots, and value as text. */
  fields: readonly (readonly [string, string])[];
}

const MESSAGE_KEYS = ["msg", "message", "@m", "@message", "short_message", "event", "text", "log"];
const HIDDEN_KEYS = new Set([
  ...["time", "timestamp", "@timestamp", "ts", "@t", "datetime", "date"],
  ...["level", "lvl", "severity", "levelname", "loglevel", "log_level", "@l", "@level", "log.level"],
]);
const FIELDS_MAX = 100;
const VALUE_MAX = 500;

/** Null for a line that is no JSON object. */
export function parseJsonLine(text: string): JsonLine | null {
  const trimmed = text.trim();
  if (!trimmed.startsWith("{") || !trimmed.endsWith("}")) return null;
  let value: unknown;
  try {
    value = JSON.parse(trimmed);
  } catch {
    return null;
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) return null;
  const object = value as Record<string, unknown>;
  const key = MESSAGE_KEYS.find((each) => typeof object[each] === "string");
  const fields: [string, string][] = [];
  flatten(object, "", fields, key);
  return { message: key === undefined ? "" : String(object[key]), fields };
}

function flatten(
  object: Record<string, unknown>,
  prefix: string,
  fields: [string, string][],
  skip: string | undefined,
): void {
  for (const [name, value] of Object.entries(object)) {
    if (fields.length >= FIELDS_MAX) return;
    const path = prefix + name;
    if (path === skip) continue;
    if (typeof value === "object" && value !== null && !Array.isArray(value) && path.split(".").length < 4) {
      flatten(value as Record<string, unknown>, `${path}.`, fields, undefined);
    } else fields.push([path, valueText(value)]);
  }
}

function valueText(value: unknown): string {
  const text = typeof value === "string" ? value : (JSON.stringify(value) ?? "");
  return text.length > VALUE_MAX ? `${text.slice(0, VALUE_MAX)}…` : text;
}

/** The fields shown beside the message: those picked, or else all that are not told already. */
export function shownFields(
  line: JsonLine,
  picked: readonly string[],
): readonly (readonly [string, string])[] {
  if (picked.length > 0) {
    return picked.flatMap((path) => line.fields.filter(([name]) => name === path));
  }
  return line.fields.filter(([name]) => !HIDDEN_KEYS.has(name));
}

/** What a JSON line is shown as, as one text: for looking and for the room it takes. */
export function jsonText(line: JsonLine, picked: readonly string[]): string {
  const fields = shownFields(line, picked).map(([name, value]) => `${name}=${value}`);
  return [line.message, ...fields].filter((part) => part !== "").join(" ");
}
