import type { FindingView } from "@/api/openapi";
import { capital } from "@/lib/format";
import { serverWords } from "@/lib/sentences";
import { pathOfLine } from "./compose-place";

/** Something that was found at a place of the text. */
export interface Marked {
  level: FindingView["level"];
  line: number;
  column: number;
  words: string;
}

/** What the server said of a file, for the editor: what is about a line of it. */
export function marksOf(findings: readonly FindingView[], text: string): Marked[] {
  return withLines(findings, text).flatMap((finding) =>
    finding.line == null
      ? []
      : [{ level: finding.level, line: finding.line, column: finding.column ?? 1, words: wordsOf(finding) }],
  );
}

/** The findings, with the line of the place that those name which came without one. */
export function withLines(findings: readonly FindingView[], text: string): FindingView[] {
  const lines = new Map<string, number>();
  text.split("\n").forEach((_, index) => {
    const name = nameOf(pathOfLine(text, index + 1));
    if (name !== "" && !lines.has(name)) lines.set(name, index + 1);
  });
  return findings.map((finding) => {
    if (finding.line != null || finding.field === "") return finding;
    const line = placesOf(finding.field)
      .map((place) => lines.get(place))
      .find((each) => each !== undefined);
    return line === undefined ? finding : { ...finding, line, column: 1 };
  });
}

function nameOf(path: readonly (string | number)[]): string {
  return path.reduce<string>(
    (name, segment) =>
      typeof segment === "number" ? `${name}[${segment}]` : name === "" ? segment : `${name}.${segment}`,
    "",
  );
}

/** A place and those around it that are still about one service, the nearest first. */
function placesOf(field: string): string[] {
  const found = [field];
  for (let place = field; /[.[]/.test(place); ) {
    place = place.replace(/(\.[^.[]*|\[[^\]]*\])$/, "");
    if (place === found.at(-1) || place === "services") break;
    found.push(place);
  }
  return found;
}

/** What is wrong, and on a line of its own what to do. */
export function wordsOf({ rule, hint, field, service }: FindingView): string {
  const subject = service || (field === "compose" ? "" : field);
  const words = serverWords(rule);
  const said = subject === "" ? capital(words) : `${subject}: ${words}`;
  return hint === "" ? said : `${said}\n${capital(serverWords(hint))}`;
}

/** The characters that a mark is about: from its column to the end of what is written there. */
export function rangeOf(text: string, mark: Pick<Marked, "line" | "column">): { from: number; to: number } {
  const lines = text.split("\n");
  const line = Math.min(Math.max(1, mark.line), lines.length);
  const start = lines.slice(0, line - 1).reduce((sum, each) => sum + each.length + 1, 0);
  const own = lines[line - 1] ?? "";
  const end = own.replace(/\s+#.*$/, "").trimEnd().length;
  const indent = own.length - own.trimStart().length;
  const column = Math.min(Math.max(mark.column - 1, indent), Math.max(0, end - 1));
  return { from: start + Math.max(0, column), to: start + Math.max(end, Math.max(0, column)) };
}

/** Errors first, then by line; what is about no line comes last. */
export function inOrder(findings: readonly FindingView[]): FindingView[] {
  const rank = (finding: FindingView) => (finding.level === "error" ? 0 : 1);
  const line = (finding: FindingView) => finding.line ?? Number.POSITIVE_INFINITY;
  return [...findings].sort(
    (a, b) => rank(a) - rank(b) || (line(a) < line(b) ? -1 : line(a) > line(b) ? 1 : 0),
  );
}
