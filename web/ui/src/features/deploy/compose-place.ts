/** Where in a YAML file a cursor is, told from indentation alone: a file that is being written is seldom valid. */
export interface Place {
  /** The keys that lead there; a number stands for an element of a list. */
  path: readonly (string | number)[];
  /** Whether a key or a value is being written. */
  kind: "key" | "value";
  /** What is written of it, and where that begins. */
  written: string;
  from: number;
  /** The keys that are beside it already. */
  siblings: ReadonlySet<string>;
  /** The column of the first letter of its line's last key: children stand two further in. */
  column: number;
}

interface Level {
  column: number;
  segment: string | number;
}

interface Key {
  column: number;
  name: string;
  value: string;
}

interface Line {
  /** Columns of the `- ` that begin elements of lists. */
  dashes: readonly number[];
  key: Key | null;
  /** Where what follows the dashes begins. */
  column: number;
  isBlank: boolean;
}

const KEY = /^("(?:[^"\\]|\\.)*"|'[^']*'|[^\s#'"[\]{},&*!|>%@`-][^:#]*?|[-?:][^\s:][^:]*?)\s*:(?=\s|$)/;

/** Take a line apart: the dashes, the key, its value. */
function lineOf(text: string): Line {
  const dashes: number[] = [];
  let column = text.length - text.trimStart().length;
  while (/^-(\s|$)/.test(text.slice(column))) {
    dashes.push(column);
    const rest = text.slice(column + 1);
    column += 1 + rest.length - rest.trimStart().length;
  }
  const rest = text.slice(column);
  const isBlank = rest.trim() === "" || rest.startsWith("#");
  const found = KEY.exec(rest);
  const key =
    found === null || isBlank
      ? null
      : {
          column,
          name: (found[1] ?? "").replace(/^["']|["']$/g, ""),
          value: rest
            .slice(found[0].length)
            .replace(/(^|\s)#.*$/, "")
            .trim(),
        };
  return { dashes, key, column, isBlank: isBlank && dashes.length === 0 };
}

/** Whether a value goes on below, as text that only looks like YAML. */
function isBlockScalar(value: string): boolean {
  return /^(?:[&!]\S+\s+)*[|>][-+0-9]*$/.test(value);
}

function enter(levels: Level[], line: Line): void {
  for (const column of line.dashes) {
    // A list may stand at the column of its own key.
    dropFrom(levels, column, (level) => typeof level.segment === "number");
    const before = levels.at(-1);
    const last = before?.column === column && typeof before.segment === "number" ? levels.pop() : undefined;
    levels.push({ column, segment: last === undefined ? 0 : Number(last.segment) + 1 });
  }
  if (line.key === null) return;
  dropFrom(levels, line.key.column, () => true);
  levels.push({ column: line.key.column, segment: line.key.name });
}

/** Leave what is further in; of what is at the column itself, elements of a list stay when a dash comes. */
function dropFrom(levels: Level[], column: number, isAlsoAt: (level: Level) => boolean): void {
  for (let last = levels.at(-1); last !== undefined; last = levels.at(-1)) {
    const isBeside = last.column === column && typeof last.segment !== "number" && isAlsoAt(last);
    const isElement = last.column === column && typeof last.segment === "number" && isAlsoAt(last);
    if (last.column > column || isBeside) levels.pop();
    else if (isElement && levels.length > 0) return;
    else return;
  }
}

/** Say where `position` is in `text`; null inside a comment or a block of text. */
export function placeAt(text: string, position: number): Place | null {
  const lineStart = text.lastIndexOf("\n", position - 1) + 1;
  const before = text.slice(0, lineStart).split("\n").slice(0, -1);
  const levels: Level[] = [];
  let blockColumn: number | null = null;
  for (const each of before) {
    const line = lineOf(each);
    if (blockColumn !== null) {
      const indent = each.length - each.trimStart().length;
      if (each.trim() === "" || indent > blockColumn) continue;
      blockColumn = null;
    }
    if (line.isBlank) continue;
    enter(levels, line);
    if (line.key !== null && isBlockScalar(line.key.value)) blockColumn = line.dashes[0] ?? line.key.column;
  }
  const typed = text.slice(lineStart, position);
  if (/(^|\s)#/.test(typed)) return null;
  const indent = typed.length - typed.trimStart().length;
  if (blockColumn !== null && indent > blockColumn) return null;
  const line = lineOf(typed);
  if (line.key !== null) {
    enter(levels, line);
    const colon = typed.indexOf(":", line.key.column + line.key.name.length);
    const value = typed.slice(colon + 1);
    const written = value.trimStart();
    if (value === "" || /^[|>&*!{[]/.test(written)) return null;
    return place(levels, "value", written, position - written.length, new Set(), line.key.column);
  }
  enter(levels, { ...line, key: null });
  dropKeysFrom(levels, line.column);
  const written = typed.slice(line.column);
  const siblings = siblingsAt(text, lineStart, line);
  return place(levels, "key", written, position - written.length, siblings, line.column);
}

function dropKeysFrom(levels: Level[], column: number): void {
  for (let last = levels.at(-1); last !== undefined && last.column >= column; last = levels.at(-1)) {
    levels.pop();
  }
}

function place(
  levels: readonly Level[],
  kind: Place["kind"],
  written: string,
  from: number,
  siblings: ReadonlySet<string>,
  column: number,
): Place {
  return { path: levels.map((level) => level.segment), kind, written, from, siblings, column };
}

/** The keys of the mapping that the line at `lineStart` is in, above and below it. */
function siblingsAt(text: string, lineStart: number, line: Line): Set<string> {
  const found = new Set<string>();
  const lines = text.split("\n");
  const here = text.slice(0, lineStart).split("\n").length - 1;
  const visit = (from: number, step: 1 | -1): void => {
    for (let index = from; index >= 0 && index < lines.length; index += step) {
      const each = lineOf(lines[index] ?? "");
      if (each.isBlank) continue;
      const outermost = each.dashes[0] ?? each.column;
      if (each.column < line.column) return;
      if (each.key?.column === line.column) {
        // The first key of an element ends the element that is looked at, going down, and begins it, going up.
        if (step === 1 && each.dashes.length > 0) return;
        found.add(each.key.name);
        if (step === -1 && each.dashes.length > 0) return;
      } else if (outermost < line.column) return;
    }
  };
  if (line.dashes.length === 0) visit(here - 1, -1);
  visit(here + 1, 1);
  return found;
}

/** The path of the key or element that `line` (from 1) begins, for what is said about it. */
export function pathOfLine(text: string, line: number): readonly (string | number)[] {
  const lines = text.split("\n");
  const start = lines.slice(0, line - 1).reduce((sum, each) => sum + each.length + 1, 0);
  const own = lines[line - 1] ?? "";
  const parsed = lineOf(own);
  if (parsed.isBlank) return [];
  const at = placeAt(text, start + parsed.column);
  if (at === null) return [];
  return parsed.key === null ? at.path : [...at.path, parsed.key.name];
}

/** The column of what stands below a line that is a key without a value; null for other lines. */
export function indentBelow(line: string): number | null {
  const { key } = lineOf(line);
  return key === null || key.value !== "" ? null : key.column + 2;
}
