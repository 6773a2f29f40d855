import { plainText } from "./ansi";
import type { Entry } from "./entries";
import { type JsonLine, jsonText, parseJsonLine } from "./json-line";

interface Read {
  plain: string;
  json: JsonLine | null;
}

const read = new WeakMap<Entry, Read>();

/** A line without its colours, and as JSON where it is that; read once. */
export function readingOf(entry: Entry): Read {
  let found = read.get(entry);
  if (found === undefined) {
    const plain = plainText(entry.text);
    found = { plain, json: entry.stream === "event" ? null : parseJsonLine(plain) };
    read.set(entry, found);
  }
  return found;
}

/** What a line is shown as, as one text. */
export function shownText(entry: Entry, fields: readonly string[]): string {
  const { plain, json } = readingOf(entry);
  return json === null ? plain : jsonText(json, fields);
}

const PATHS_FROM = 200;

/** The fields that JSON lines among the newest have, the commonest first. */
export function fieldPaths(entries: readonly Entry[]): string[] {
  const counts = new Map<string, number>();
  for (const entry of entries.slice(-PATHS_FROM)) {
    for (const [path] of readingOf(entry).json?.fields ?? []) counts.set(path, (counts.get(path) ?? 0) + 1);
  }
  return [...counts].sort((a, b) => b[1] - a[1] || a[0].localeCompare(b[0])).map(([path]) => path);
}
