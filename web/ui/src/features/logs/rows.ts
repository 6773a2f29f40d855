import type { Entry } from "./entries";

/** A line, with the lines of its stack trace below it. */
export interface Row {
  head: Entry;
  rest: Entry[];
  /** How high it is in the layout of number `layout`, with so many lines below its first. */
  height: number;
  layout: number;
  laidOut: number;
}

const GAP_MAX_US = 500_000;
/** Longer traces are in pieces, so that one row is never a page of its own. */
const REST_MAX = 200;

// Indented lines, and what Java, JavaScript, Python, Go and .NET put between them.
const CONTINUATION =
  /^(?:\s+\S|at |Caused by: |Suppressed: |\.\.\. \d+ (?:more|common frames)|Traceback \(most recent call last\)|During handling of the above|The above exception was|goroutine \d+ \[|--- End of )/;
const LAST_WORD = /^[A-Za-z_][\w.$]*(?:Error|Exception|Interrupt|Exit|Warning)\b(?::|$)/;

function isAbove(row: Row, entry: Entry): boolean {
  const last = row.rest[row.rest.length - 1] ?? row.head;
  if (entry.stream === "event" || row.head.stream === "event") return false;
  if (entry.atUs - last.atUs > GAP_MAX_US || row.rest.length >= REST_MAX) return false;
  if (CONTINUATION.test(entry.text)) return true;
  // `ValueError: …` ends a trace; alone it is a line of its own.
  return row.rest.length > 0 && /^\s/.test(last.text) && LAST_WORD.test(entry.text);
}

/** The row of a line, by its head: rows are in the order of those. Null when it is not among them. */
export function rowIndexOf(rows: readonly Row[], is: (entry: Entry) => boolean): number {
  return rows.findIndex((row) => is(row.head) || row.rest.some(is));
}

/** Puts lines together to rows. Lines of other containers may come between those of a trace. */
export class Rows {
  rows: Row[] = [];
  private newestOf = new Map<Entry["source"], Row>();

  rebuild(entries: readonly Entry[]): void {
    this.rows = [];
    this.newestOf.clear();
    this.add(entries, 0);
  }

  /** Take in the entries from `from` on, which come behind all others. */
  add(entries: readonly Entry[], from: number): void {
    for (let index = from; index < entries.length; index += 1) {
      const entry = entries[index];
      if (entry === undefined) continue;
      const above = this.newestOf.get(entry.source);
      if (above !== undefined && isAbove(above, entry)) {
        above.rest.push(entry);
        continue;
      }
      const row: Row = { head: entry, rest: [], height: 0, layout: -1, laidOut: 0 };
      this.newestOf.set(entry.source, row);
      this.rows.push(row);
    }
  }
}
