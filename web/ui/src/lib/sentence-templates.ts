/** Templates of sentences: what a catalogue says them to be, which of them a text may be of, and what fills them. */

export interface Template {
  /** What stands before, between and behind the placeholders: one more than there are of those. */
  literals: readonly string[];
  /** The other language: text, and which placeholder's value. */
  said: readonly (string | number)[];
  /** How much of it is no placeholder. */
  letters: number;
}

/** Placeholders with nothing or a space between them are one: nobody could say where their values part. */
const RUN = /\{\d+\}(?:\s?\{\d+\})*/g;
const WORD = /[^\s;,:.()]+/g;
export function templateOf(english: string, other: string): Template {
  const runs: string[] = [];
  const literals: string[] = [];
  let rest = 0;
  for (const run of english.matchAll(RUN)) {
    literals.push(english.slice(rest, run.index));
    runs.push(run[0]);
    rest = run.index + run[0].length;
  }
  literals.push(english.slice(rest));
  const parts = other.split(new RegExp(`(${RUN.source})`)).filter((part) => part !== "");
  return {
    literals,
    said: parts.map((part) => (runs.includes(part) ? runs.indexOf(part) : part)),
    letters: lettersIn(literals.join(" ")),
  };
}

/** What stands in the placeholders; null where the text is not of this template. */
export function valuesIn(text: string, literals: readonly string[]): string[] | null {
  const [first = "", ...others] = literals;
  const last = others.pop();
  if (last === undefined) return text === first ? [] : null;
  const end = text.length - last.length;
  if (!text.startsWith(first) || end < first.length || !text.endsWith(last)) return null;
  const values: string[] = [];
  let from = first.length;
  for (const literal of others) {
    const at = text.indexOf(literal, from);
    if (at < 0 || at + literal.length > end) return null;
    values.push(text.slice(from, at));
    from = at + literal.length;
  }
  values.push(text.slice(from, end));
  return values;
}

/** What gives the templates that a text may be of: of each the rarest of its words is looked for. */
export function indexed(templates: readonly Template[]): (text: string) => readonly Template[] {
  const counts = new Map<string, number>();
  for (const word of templates.flatMap(certainWords)) counts.set(word, (counts.get(word) ?? 0) + 1);
  const byWord = new Map<string, Template[]>();
  for (const template of templates) {
    const words = certainWords(template).sort((a, b) => (counts.get(a) ?? 0) - (counts.get(b) ?? 0));
    const key = words[0] ?? "";
    byWord.set(key, [...(byWord.get(key) ?? []), template]);
  }
  return (text) => ["", ...new Set(wordsOf(text))].flatMap((word) => byWord.get(word) ?? []);
}

/** What templates begin with, of those that do not begin with a placeholder. */
export function firstWordsOf(templates: readonly Template[]): string[] {
  return templates.map(({ literals }) => firstWordOf(literals[0] ?? "")).filter((word) => word !== "");
}

/** The words of a text between what separates words. */
function wordsOf(text: string): string[] {
  return text.match(WORD) ?? [];
}

/** The words that every text of a template has: those that no placeholder touches. */
function certainWords({ literals }: Template): string[] {
  return literals.flatMap((literal, index) => {
    const isBegin = index === 0;
    const isEnd = index === literals.length - 1;
    const whole = literal
      .replace(isBegin ? /(?!)/ : /^[^\s;,:.()]+/, "")
      .replace(isEnd ? /(?!)/ : /[^\s;,:.()]+$/, "");
    return wordsOf(whole);
  });
}

export function firstWordOf(text: string): string {
  return /^\S+/.exec(text)?.[0] ?? "";
}

/** Single words count for a little less: of "is unhealthy", both together are meant. */
export function lettersIn(text: string): number {
  const letters = text.match(/\p{L}/gu)?.length ?? 0;
  return text.includes(" ") ? letters : Math.max(0, letters - 1);
}
