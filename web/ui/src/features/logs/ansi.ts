/** A stretch of a line in one look. `className` is empty for plain text. */
export interface Span {
  text: string;
  className: string;
}

// Colour and style (SGR) sequences are read; every other control sequence is left out.
// biome-ignore lint/suspicious/noControlCharactersInRegex: escape sequences begin with a control character
const SEQUENCE = /\u001b(?:\[([0-9;]*)([A-Za-z])|\][^\u0007\u001b]*(?:\u0007|\u001b\\)?|[@-Z\\-_])/g;

const COLORS: Record<number, string> = {
  31: "text-bad",
  32: "text-ok",
  33: "text-warn",
  34: "text-accent",
  35: "text-accent",
  36: "text-accent",
  90: "text-muted",
  91: "text-bad",
  92: "text-ok",
  93: "text-warn",
  94: "text-accent",
  95: "text-accent",
  96: "text-accent",
};

/** The line without its escape sequences. */
export function plainText(text: string): string {
  return text.replace(SEQUENCE, "");
}

/** The line in its colours, as this page's palette has them. */
export function spansOf(text: string): Span[] {
  const spans: Span[] = [];
  let color = "";
  let isBold = false;
  let from = 0;
  const take = (to: number) => {
    if (to > from)
      spans.push({
        text: text.slice(from, to),
        className: [color, isBold && "font-bold"].filter(Boolean).join(" "),
      });
  };
  for (const match of text.matchAll(SEQUENCE)) {
    take(match.index);
    from = match.index + match[0].length;
    if (match[2] !== "m") continue;
    for (const code of (match[1] || "0").split(";").map(Number)) {
      if (code === 0) {
        color = "";
        isBold = false;
      } else if (code === 1) isBold = true;
      else if (code === 22) isBold = false;
      else if (code === 39) color = "";
      else color = COLORS[code] ?? color;
    }
  }
  take(text.length);
  return spans;
}
