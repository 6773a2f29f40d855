/** Which of many named things somebody means by a few letters. */

export interface Named {
  /** What it is called; what people type first. */
  name: string;
  /** Other words it is found by. */
  also?: string;
}

/** How well `named` answers to `query`: 0 for not at all. Every word must be there; beginnings count more. */
export function scoreOf(named: Named, query: string): number {
  const words = query.toLowerCase().split(/\s+/).filter(Boolean);
  if (words.length === 0) return 1;
  const name = named.name.toLowerCase();
  const all = `${name} ${(named.also ?? "").toLowerCase()}`;
  let score = 0;
  for (const word of words) {
    if (name === word) score += 100;
    else if (name.startsWith(word)) score += 60;
    else if (new RegExp(`[^a-z0-9]${escaped(word)}`).test(name)) score += 40;
    else if (name.includes(word)) score += 25;
    else if (all.includes(word)) score += 10;
    else return 0;
  }
  // Of two that match alike, the shorter name is the likelier one.
  return score + 1 / (1 + name.length);
}

/** The best `limit` of them, best first; equals stay in their order. */
export function best<Item extends Named>(items: readonly Item[], query: string, limit: number): Item[] {
  return items
    .map((item, index) => ({ item, index, score: scoreOf(item, query) }))
    .filter(({ score }) => score > 0)
    .sort((a, b) => b.score - a.score || a.index - b.index)
    .slice(0, limit)
    .map(({ item }) => item);
}

function escaped(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
}
