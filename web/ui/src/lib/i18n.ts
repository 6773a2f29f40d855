/** English and Italian: which one is shown, and the texts of both, beside the components that show them. */

export type Language = "en" | "it";

export const LANGUAGES: readonly { language: Language; name: string }[] = [
  { language: "en", name: "English" },
  { language: "it", name: "Italiano" },
];

/** `public/theme.js` reads it before the first paint. */
const KEY = "tower.language";
const listeners = new Set<() => void>();
let current: Language = stored() ?? preferred();

function isLanguage(value: unknown): value is Language {
  return LANGUAGES.some(({ language }) => language === value);
}

function stored(): Language | null {
  try {
    const chosen = localStorage.getItem(KEY);
    return isLanguage(chosen) ? chosen : null;
  } catch {
    // Storage is blocked, or this is no browser.
    return null;
  }
}

/** The first of the browser's languages that is spoken here. */
function preferred(): Language {
  const wanted = typeof navigator === "undefined" ? [] : (navigator.languages ?? []);
  return wanted.map((tag) => tag.slice(0, 2).toLowerCase()).find(isLanguage) ?? "en";
}

export function language(): Language {
  return current;
}

/** Choose a language, for this browser. The page is rendered anew (`app/app.tsx`). */
export function setLanguage(chosen: Language): void {
  current = chosen;
  document.documentElement.lang = chosen;
  try {
    localStorage.setItem(KEY, chosen);
  } catch {
    // Storage is blocked: the choice holds for this page.
  }
  for (const each of listeners) each();
}

export function whenLanguageChanges(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** The same texts, whatever they say: strings stay strings, and functions keep what they take. */
export type Texts<Told> = {
  readonly [Key in keyof Told]: Told[Key] extends string
    ? string
    : Told[Key] extends (...given: infer Given) => unknown
      ? (...given: Given) => string
      : Texts<Told[Key]>;
};

export type Messages<Told> = Readonly<Record<Language, Texts<Told>>>;

/** Texts in both languages. What one has the other must have, with the same parameters. */
export function defineMessages<Told>(messages: { en: Told; it: Texts<Told> }): Messages<Told> {
  return messages as Messages<Told>;
}

/** The texts in the language that is shown. What stays on the page is rendered anew when that changes. */
export function useMessages<Told>(messages: Messages<Told>): Texts<Told> {
  return messages[current];
}

/** The same outside of components. */
export function textsOf<Told>(messages: Messages<Told>): Texts<Told> {
  return messages[current];
}

const rules: Record<Language, Intl.PluralRules> = {
  en: new Intl.PluralRules("en"),
  it: new Intl.PluralRules("it"),
};

/** `one` or `many`, as the language counts: 1 is singular in both, 1.5 and 0 are not. */
export function pluralOf(count: number, one: string, many: string): string {
  return rules[current].select(count) === "one" ? one : many;
}

/** A sentence of the server in the language that is shown; it has its English one and perhaps others. */
export function translated(
  english: string,
  translations: Readonly<Record<string, string>> | null | undefined,
): string {
  return translations?.[current] ?? english;
}
