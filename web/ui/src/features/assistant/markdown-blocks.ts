import { lexer, type Token } from "marked";

/** What is longer, or goes deeper, is a text that has lost itself: it is shown as it is. */
const LENGTH_MAX = 40_000;
const TOO_DEEP = /^[ \t]*(?:>[ \t]?|[-*+][ \t]+|\d{1,9}[.)][ \t]+){24}/m;

/** The blocks of a text in Markdown, such as paragraphs and lists. */
export function blocksOf(text: string): Token[] {
  if (text.length > LENGTH_MAX || TOO_DEEP.test(text)) return [plain(text)];
  return lexer(text).filter(({ type }) => type !== "space" && type !== "def");
}

function plain(text: string): Token {
  return { type: "text", raw: text, text };
}

/** A text that is still being written, without the beginning of a link: what is cited is shown, its address not yet. */
export function withoutOpenLink(text: string): string {
  return text.replace(/\[([^\][\n]*)(?:\](?:\([^()\s]*)?)?$/, "$1");
}
