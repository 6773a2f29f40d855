export interface Wanted {
  text: string;
  isRegex: boolean;
  isCaseSensitive: boolean;
}

/** What is looked for, as an expression; null when nothing is, or when it is none. */
export function expressionOf(wanted: Wanted): RegExp | null {
  if (wanted.text === "") return null;
  const source = wanted.isRegex ? wanted.text : wanted.text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
  try {
    return new RegExp(source, wanted.isCaseSensitive ? "g" : "gi");
  } catch {
    return null;
  }
}

export interface Stretch {
  from: number;
  to: number;
}

const STRETCHES_MAX = 200;
/** Expressions are the browser's here: one that explodes on a long line must not hold the page. */
const LOOKED_AT_MAX = 4_000;

export function stretchesOf(text: string, expression: RegExp | null): Stretch[] {
  if (expression === null) return [];
  const found: Stretch[] = [];
  for (const match of text.slice(0, LOOKED_AT_MAX).matchAll(expression)) {
    if (match[0] !== "") found.push({ from: match.index, to: match.index + match[0].length });
    if (found.length >= STRETCHES_MAX) break;
  }
  return found;
}

export function hasMatch(text: string, expression: RegExp | null): boolean {
  if (expression === null) return false;
  expression.lastIndex = 0;
  return expression.test(text.length > LOOKED_AT_MAX ? text.slice(0, LOOKED_AT_MAX) : text);
}

export interface Piece {
  text: string;
  className: string;
  isMarked: boolean;
}

/** Pieces of one look each, cut where marks begin and end. Stretches count over all pieces. */
export function markPieces(
  pieces: readonly { text: string; className: string }[],
  stretches: readonly Stretch[],
): Piece[] {
  if (stretches.length === 0) return pieces.map((piece) => ({ ...piece, isMarked: false }));
  const marked: Piece[] = [];
  let at = 0;
  let next = 0;
  for (const piece of pieces) {
    const end = at + piece.text.length;
    let from = at;
    while (from < end) {
      while (next < stretches.length && (stretches[next]?.to ?? 0) <= from) next += 1;
      const stretch = stretches[next];
      const isMarked = stretch !== undefined && stretch.from <= from;
      const to =
        stretch === undefined ? end : Math.min(end, isMarked ? stretch.to : Math.max(from + 1, stretch.from));
      marked.push({ text: piece.text.slice(from - at, to - at), className: piece.className, isMarked });
      from = to;
    }
    at = end;
  }
  return marked;
}
