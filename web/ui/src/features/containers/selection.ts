/** Which containers are chosen, by key. What is not shown any more is not chosen either. */
export interface Selection {
  keys: ReadonlySet<string>;
  /** Where a range begins that is chosen with Shift. */
  anchor: string | null;
}

export const NONE: Selection = { keys: new Set(), anchor: null };

/** Choose one more, or one less. */
export function toggled(selection: Selection, key: string): Selection {
  const keys = new Set(selection.keys);
  if (!keys.delete(key)) keys.add(key);
  return { keys, anchor: key };
}

/** Choose (or not, as the one at the other end is not) everything from where the last choice was made up to this. */
export function extended(selection: Selection, key: string, shown: readonly string[]): Selection {
  const from = selection.anchor === null ? -1 : shown.indexOf(selection.anchor);
  const to = shown.indexOf(key);
  if (from === -1 || to === -1) return toggled(selection, key);
  const isChosen = selection.anchor !== null && selection.keys.has(selection.anchor);
  const keys = new Set(selection.keys);
  for (const each of shown.slice(Math.min(from, to), Math.max(from, to) + 1)) {
    if (isChosen) keys.add(each);
    else keys.delete(each);
  }
  return { keys, anchor: selection.anchor };
}

/** Choose all of these, or none when all of them are. */
export function allToggled(selection: Selection, of: readonly string[]): Selection {
  const keys = new Set(selection.keys);
  const areAll = of.length > 0 && of.every((key) => keys.has(key));
  for (const key of of) {
    if (areAll) keys.delete(key);
    else keys.add(key);
  }
  return { keys, anchor: null };
}

/** Of `of`, how many are chosen: for a box that stands for all of them. */
export function shareOf(selection: Selection, of: readonly string[]): "all" | "some" | "none" {
  const count = of.reduce((sum, key) => sum + Number(selection.keys.has(key)), 0);
  return count === 0 ? "none" : count === of.length ? "all" : "some";
}
