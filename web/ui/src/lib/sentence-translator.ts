/**
 * Sentences of the server in another language, by templates: English with numbered placeholders, and the same in the
 * other language. What stands in a placeholder is kept, unless it is itself a sentence that is known.
 */

import {
  firstWordOf,
  firstWordsOf,
  indexed,
  lettersIn,
  type Template,
  templateOf,
  valuesIn,
} from "./sentence-templates";

export type Catalogue = Readonly<Record<string, string>>;

/** A part of what was said. */
export interface Piece {
  text: string;
  /** No sentence of it is known: it stays as it was. A name is of no language. */
  isEnglish: boolean;
}

export type Translator = (text: string) => readonly Piece[];

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

const AROUND = /^([\s;,:]*)(.*?)([\s;,:.…]*)$/s;
const ASIDE = /^(.+) \(([^()]*)\)$/s;
/** Reasons stand in sentences, and sentences in reasons; deeper than this nothing is said any more. */
const DEPTH_MAX = 10;
const CHAINED_MIN = 5;
/** No text is looked at for longer, whatever it is made of. */
const READINGS_MAX = 500;
const LENGTH_MAX = 4_000;
const REMEMBERED_MAX = 1_000;

/** `joints` are what the server joins sentences and names with, and the same in the other language. */
export function translatorOf(catalogue: Catalogue, joints: Catalogue): Translator {
  const exact = new Map<string, string>();
  const templates: Template[] = [];
  const endings: Template[] = [];
  for (const [english, other] of Object.entries(catalogue)) {
    const template = templateOf(english, other);
    if (english.startsWith(" ")) endings.push(template);
    else if (template.literals.length === 1) exact.set(english, other);
    else templates.push(template);
  }
  const candidates = indexed(templates);
  const firstWords = new Set([...firstWordsOf(templates), ...[...exact.keys()].map(firstWordOf)]);

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
    for (const template of candidates(text)) {
      const values = valuesIn(text, template.literals);
      if (values !== null) yield filled(template, values, depth);
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
    const [, told = "", aside = ""] = ASIDE.exec(text) ?? [];
    if (told !== "") yield joined([readingOf(told, depth), plain(" ("), readingOf(aside, depth), plain(")")]);
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
      const rest = text.slice(index + 1);
      // Of a single short word nobody could say whether it is of the sentence before it: "up", "left".
      const begins = rest.length >= CHAINED_MIN && firstWords.has(firstWordOf(rest));
      if (!begins && !/^\d/.test(rest)) continue;
      if (count >= READINGS_MAX) return;
      count += 1;
      yield joined([readingOf(text.slice(0, index), depth), plain(" "), readingOf(rest, depth)]);
    }
  }

  let remembered = new Map<string, readonly Piece[]>();
  return (text) => {
    const known = remembered.get(text);
    if (known !== undefined) return known;
    count = 0;
    read = new Map();
    const { pieces, left } = text.length > LENGTH_MAX ? unread(text) : readingOf(text, 0);
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
  const left = words === 1 ? 0 : words;
  return { pieces: [{ text, isEnglish: left > 0 }], covered: 0, own: 0, left };
}

function said(text: string, covered: number, left: number): Reading {
  return { pieces: [{ text, isEnglish: false }], covered, own: covered, left };
}

function joining(joint: string, other: string): Reading {
  return joint === other ? plain(other) : said(other, lettersIn(joint), 0);
}

/** What only joins is of no language. */
function plain(text: string): Reading {
  return { pieces: text === "" ? [] : [{ text, isEnglish: false }], covered: 0, own: 0, left: 0 };
}

function joined(readings: readonly Reading[]): Reading {
  return {
    pieces: readings.flatMap(({ pieces }) => pieces),
    covered: readings.reduce((sum, { covered }) => sum + covered, 0),
    own: Math.max(0, ...readings.map(({ own }) => own)),
    left: readings.reduce((sum, { left }) => sum + left, 0),
  };
}

function isBetter(one: Reading, other: Reading): boolean {
  return one.covered > other.covered || (one.covered === other.covered && one.own > other.own);
}

function textOf(reading: Reading | undefined): string {
  return (reading?.pieces ?? []).map(({ text }) => text).join("");
}

function wordsIn(text: string): number {
  return text.split(/\s+/).filter((word) => /\p{L}/u.test(word)).length;
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
