/**
 * What the server says, in the language that is shown. Its sentences are English wherever they are kept or sent; they
 * are translated where they are shown, from a catalogue that is fetched when that language is.
 */

import { useSyncExternalStore } from "react";
import { fetched } from "./fetched";
import { type Language, language, whenLanguageChanges } from "./i18n";
import type { Piece, Translator } from "./sentence-translator";

export type Say = (english: string) => string;

const CATALOGUES: Partial<Record<Language, () => Promise<{ translate: Translator }>>> = {
  it: () => fetched(() => import("./sentences/italian")),
};

const loaded = new Map<Language, Translator>();
const listeners = new Set<() => void>();
/** Another function each time when what it says is another: a list that was made with it is made anew. */
let say: Say = sayingIn(language());

whenLanguageChanges(() => {
  say = sayingIn(language());
  void loadSentences();
});
void loadSentences();

/** Fetch the sentences of the language that is shown. Without them the server's own are shown. */
export async function loadSentences(): Promise<void> {
  const wanted = language();
  const load = CATALOGUES[wanted];
  if (load === undefined || loaded.has(wanted)) return;
  try {
    loaded.set(wanted, (await load()).translate);
  } catch {
    // The host does not answer any more. The page says so itself; it is asked again with the next page load.
    return;
  }
  if (language() === wanted) say = sayingIn(wanted);
  for (const each of listeners) each();
}

/** A sentence of the server in parts, each with whether it stays English. */
export function piecesOf(english: string): readonly Piece[] {
  if (language() === "en") return [{ text: english, isEnglish: false }];
  return loaded.get(language())?.(english) ?? [{ text: english, isEnglish: true }];
}

/** A sentence of the server for where no component renders it. */
export function serverWords(english: string): string {
  return say(english);
}

/** The same for components, which are rendered anew when the sentences have come. */
export function useSentences(): Say {
  return useSyncExternalStore(subscribe, () => say);
}

function sayingIn(shown: Language): Say {
  const translate = loaded.get(shown);
  if (translate === undefined) return (english) => english;
  return (english) =>
    translate(english)
      .map(({ text }) => text)
      .join("");
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}
