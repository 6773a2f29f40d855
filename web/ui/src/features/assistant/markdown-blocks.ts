import { lexer, type Token } from "marked";

/** Where a model has lost itself in brackets, the text is shown as it is. */
const LENGTH_MAX = 40_000;

/** The blocks of a text in Markdown, such as paragraphs and lists. */
export function blocksOf(text: string): Token[] {
  if (text.length > LENGTH_MAX) return [plain(text)];
  try {
    return lexer(text).filter(({ type }) => type !== "space" && type !== "def");
  } catch (error) {
    // Quotes in quotes, thousands deep.
    if (error instanceof RangeError) return [plain(text)];
    throw error;
  }
}

function plain(text: string): Token {
  return { type: "text", raw: text, text };
}

/** A text that is still being written, without the beginning of a link: what is cited is shown, its address not yet. */
export function withoutOpenLink(text: string): string {
  return text.replace(/\[([^\][\n]*)(?:\](?:\([^()\s]*)?)?$/, "$1");
}
