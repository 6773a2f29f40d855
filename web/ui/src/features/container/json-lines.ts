/** A JSON value as the lines of a tree: what is closed is one line, and what does not fit a search is left out. */

export type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json };

export interface JsonLine {
  /** Where it is, as `jq` writes it: `.HostConfig.Binds[0]`. */
  path: string;
  depth: number;
  /** The key or place in what it is in; "" of the whole. */
  name: string;
  /** The value itself; undefined where there is more inside. */
  leaf?: string | number | boolean | null;
  /** How much is inside, of an object or a list. */
  count?: number;
  isList?: boolean;
  isOpen?: boolean;
}

const PLAIN_KEY = /^[A-Za-z_][A-Za-z0-9_]*$/;

export function pathOf(parent: string, key: string | number): string {
  if (typeof key === "number") return `${parent}[${key}]`;
  return PLAIN_KEY.test(key) ? `${parent}.${key}` : `${parent}[${JSON.stringify(key)}]`;
}

function childrenOf(value: Json): [string | number, Json][] | null {
  if (Array.isArray(value)) return value.map((each: Json, place: number) => [place, each]);
  if (typeof value === "object" && value !== null) return Object.entries(value as { [key: string]: Json });
  return null;
}

/** Whether a key or value in it, or itself, holds the text; text is in small letters. */
function holds(name: string, value: Json, text: string): boolean {
  if (name.toLowerCase().includes(text)) return true;
  const children = childrenOf(value);
  if (children === null) return String(value).toLowerCase().includes(text);
  return children.some(([key, each]) => holds(String(key), each, text));
}

/**
 * The lines to show. `toggled` are the paths that are not as they would be by themselves: the outermost two levels are
 * open, and while something is looked for, all that leads to it.
 */
export function jsonLines(root: Json, toggled: ReadonlySet<string>, find = ""): JsonLine[] {
  const text = find.trim().toLowerCase();
  const lines: JsonLine[] = [];
  const visit = (name: string, value: Json, path: string, depth: number, isInside: boolean): void => {
    const isFound = isInside || text === "" || name.toLowerCase().includes(text);
    if (!isFound && !holds(name, value, text)) return;
    const children = childrenOf(value);
    if (children === null) {
      lines.push({ path, depth, name, leaf: value as string | number | boolean | null });
      return;
    }
    const byItself = text !== "" ? !isFound || isInside || depth < 2 : depth < 2;
    const isOpen = children.length > 0 && byItself !== toggled.has(path);
    lines.push({ path, depth, name, count: children.length, isList: Array.isArray(value), isOpen });
    if (!isOpen) return;
    for (const [key, each] of children) {
      visit(String(key), each, pathOf(path, key), depth + 1, isFound && text !== "");
    }
  };
  const children = childrenOf(root) ?? [];
  for (const [key, each] of children) visit(String(key), each, pathOf("", key), 0, false);
  return lines;
}
