/**
 * Sentences of the server in another language, by templates: English with numbered placeholders, and the same in the
 * other language. What stands in a placeholder is kept, unless it is itself a sentence that is known.
 */

export type Catalogue = Readonly<Record<string, string>>;

/** A part of what was said, in the other language where it is known and as it was where it is not. */
export interface Piece {
  text: string;
  isKnown: boolean;
}

export type Translator = (text: string) => readonly Piece[];

interface Template {
  /** What stands before, between and behind the placeholders: one more than there are of those. */
  literals: readonly string[];
  /** The other language: text, and which placeholder's value. */
  said: readonly (string | number)[];
  /** How much of it is no placeholder. */
  letters: number;
}

/** One reading of a text. */
interface Reading {
  pieces: readonly Piece[];
  /** How many of its letters are of templates. */
  covered: number;
  /** And of the outermost template: of two that cover as much, the one that is more of a sentence is meant. */
  own: number;
  /** How many English words stay in it. */
  left: number;
}

/** Placeholders with nothing or a space between them are one: nobody could say where their values part. */
const RUN = /\{\d+\}(?:\s?\{\d+\})*/g;
const AROUND = /^([\s;,:]*)(.*?)([\s;,:.…]*)$/s;
/** Reasons stand in sentences, and sentences in reasons; deeper than this nothing is said any more. */
const DEPTH_MAX = 10;
/** No sentence is looked at for longer, whatever it is made of. */
const READINGS_MAX = 500;
const REMEMBERED_MAX = 1_000;

/** `joints` are what the server joins sentences and names with, and the same in the other language. */
export function translatorOf(catalogue: Catalogue, joints: Catalogue): Translator {
  const exact = new Map<string, string>();
  const byWord = new Map<string, Template[]>();
  const wordless: Template[] = [];
  const endings: Template[] = [];
  for (const [english, other] of Object.entries(catalogue)) {
    const template = templateOf(english, other);
    const [first = ""] = template.literals;
    const word = /^(\S+)\s/.exec(first)?.[1];
    if (first.startsWith(" ")) endings.push(template);
    else if (template.literals.length === 1) exact.set(english, other);
    else if (word === undefined) wordless.push(template);
    else byWord.set(word, [...(byWord.get(word) ?? []), template]);
  }

  const firstWords = new Set([...byWord.keys(), ...[...exact.keys()].map(firstWordOf)]);

  let count = 0;
  let read = new Map<string, Reading>();

  /** The reading of a text that leaves the least of it to placeholders. */
  function readingOf(text: string, depth: number): Reading {
    const known = read.get(text);
    if (known !== undefined) return known;
    const other = exact.get(text);
    let best = other === undefined ? unread(text) : said(other, lettersIn(text), 0);
    if (other === undefined && depth < DEPTH_MAX && count < READINGS_MAX) {
      for (const readings of [byTemplates, byParts, byEndings, byChains]) {
        for (const reading of readings(text, depth + 1)) if (isBetter(reading, best)) best = reading;
      }
    }
    read.set(text, best);
    return best;
  }

  function* byTemplates(text: string, depth: number): Iterable<Reading> {
    yield* fitting(text, depth);
    const lower = text.charAt(0).toLowerCase() + text.slice(1);
    if (lower === text) return;
    const other = exact.get(lower);
    for (const reading of other === undefined ? fitting(lower, depth) : [said(other, lettersIn(lower), 0)]) {
      const [first, ...rest] = reading.pieces;
      if (first !== undefined)
        yield { ...reading, pieces: [{ ...first, text: capital(first.text) }, ...rest] };
    }
  }

  function* fitting(text: string, depth: number): Iterable<Reading> {
    for (const templates of [byWord.get(firstWordOf(text)) ?? [], wordless]) {
      for (const template of templates) {
        const values = valuesIn(text, template.literals);
        if (values !== null) yield filled(template, values, depth);
      }
    }
  }

  function filled(template: Template, values: readonly string[], depth: number): Reading {
    count += 1;
    const readings = values.map((value) => readingOf(value, depth));
    const text = template.said.map((part) => (typeof part === "string" ? part : textOf(readings[part])));
    const { covered, left } = joined(readings);
    return { ...said(text.join(""), covered + template.letters, left), own: template.letters };
  }

  /** By the sentences that are joined in it, whatever each of them is. */
  function* byParts(text: string, depth: number): Iterable<Reading> {
    const [, before = "", core = "", behind = ""] = AROUND.exec(text) ?? [];
    if (core !== "" && core !== text) yield joined([plain(before), readingOf(core, depth), plain(behind)]);
    for (const [joint, other] of Object.entries(joints)) {
      const parts = text.split(joint);
      if (parts.length === 1) continue;
      const readings = parts.map((part) => readingOf(part, depth));
      yield joined(
        readings.flatMap((reading, index) => (index === 0 ? [reading] : [joining(joint, other), reading])),
      );
    }
  }

  /** By what is said of something behind it, such as " on host-1". */
  function* byEndings(text: string, depth: number): Iterable<Reading> {
    for (const template of endings) {
      const [first = "", ...rest] = template.literals;
      const at = rest.length === 0 ? text.length - first.length : text.lastIndexOf(first);
      if (at < 0) continue;
      const values = valuesIn(text.slice(at), template.literals);
      if (values !== null)
        yield joined([readingOf(text.slice(0, at), depth), filled(template, values, depth)]);
    }
  }

  /** By sentences with nothing but a space between them, or a name and what is said of it. */
  function* byChains(text: string, depth: number): Iterable<Reading> {
    for (const { index } of text.matchAll(/ /g)) {
      if (!firstWords.has(firstWordOf(text.slice(index + 1)))) continue;
      if (count >= READINGS_MAX) return;
      count += 1;
      const last = readingOf(text.slice(index + 1), depth);
      if (last.covered > 0) yield joined([readingOf(text.slice(0, index), depth), plain(" "), last]);
    }
  }

  let remembered = new Map<string, readonly Piece[]>();
  return (text) => {
    const known = remembered.get(text);
    if (known !== undefined) return known;
    count = 0;
    read = new Map();
    const { pieces, left } = readingOf(text, 0);
    // Half a sentence in another language is harder to read than a whole one.
    const told = left > wordsIn(text) / 2 ? unread(text).pieces : pieces;
    if (remembered.size >= REMEMBERED_MAX) remembered = new Map();
    remembered.set(text, told);
    return told;
  };
}

/** The text as it is. One word is taken for a name, which is the same in every language. */
function unread(text: string): Reading {
  const words = wordsIn(text);
  return { pieces: [{ text, isKnown: false }], covered: 0, own: 0, left: words === 1 ? 0 : words };
}

function said(text: string, covered: number, left: number): Reading {
  return { pieces: [{ text, isKnown: true }], covered, own: covered, left };
}

function joining(joint: string, other: string): Reading {
  return joint === other ? plain(other) : said(other, lettersIn(joint), 0);
}

/** What only joins is of no language. */
function plain(text: string): Reading {
  return { pieces: text === "" ? [] : [{ text, isKnown: false }], covered: 0, own: 0, left: 0 };
}

function joined(readings: readonly Reading[]): Reading {
  return {
    pieces: readings.flatMap(({ pieces }) => pieces),
    covered: readings.reduce((sum, { covered }) => sum + covered, 0),
    own: 0,
    left: readings.reduce((sum, { left }) => sum + left, 0),
  };
}

function isBetter(one: Reading, other: Reading): boolean {
  return one.covered > other.covered || (one.covered === other.covered && one.own > other.own);
}

function firstWordOf(text: string): string {
  return /^\S+/.exec(text)?.[0] ?? "";
}

function textOf(reading: Reading | undefined): string {
  return (reading?.pieces ?? []).map(({ text }) => text).join("");
}

/** Single words count for a little less: of "is unhealthy", both together are meant. */
function lettersIn(text: string): number {
  const letters = text.match(/\p{L}/gu)?.length ?? 0;
  return text.includes(" ") ? letters : Math.max(0, letters - 1);
}

function wordsIn(text: string): number {
  return text.split(/\s+/).filter((word) => /\p{L}/u.test(word)).length;
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

function templateOf(english: string, other: string): Template {
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
function valuesIn(text: string, literals: readonly string[]): string[] | null {
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
