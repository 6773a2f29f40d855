import { compareEntries, type Entry } from "./entries";

/** From so many on, lines that belong before others are sorted in together. */
const BULK_FROM = 20;

/** What is held of a log: in order, no line twice, and no more than so many. */
export class LogBuffer {
  entries: Entry[] = [];
  /** How many were let go of, at either end. */
  dropped = 0;

  constructor(readonly max: number) {}

  clear(): void {
    this.entries = [];
    this.dropped = 0;
  }

  get first(): Entry | undefined {
    return this.entries[0];
  }

  get last(): Entry | undefined {
    return this.entries[this.entries.length - 1];
  }

  /**
   * Take lines in, in whatever order. True when they all came behind the last one: then what was made of the others
   * stays good, but for those let go of.
   */
  add(lines: readonly Entry[]): boolean {
    const [head] = lines;
    if (lines.length > BULK_FROM && head !== undefined && this.last !== undefined) {
      if (compareEntries(head, this.last) <= 0) return this.merge(lines);
    }
    let wasInOrder = true;
    for (const line of lines) wasInOrder = this.addOne(line) && wasInOrder;
    return wasInOrder;
  }

  private merge(lines: readonly Entry[]): boolean {
    const merged: Entry[] = [];
    for (const line of [...this.entries, ...lines].sort(compareEntries)) {
      const before = merged[merged.length - 1];
      if (before === undefined || compareEntries(before, line) !== 0) merged.push(line);
      else if (line.isMatch && !before.isMatch) merged[merged.length - 1] = line;
    }
    this.entries = merged;
    return false;
  }

  private addOne(line: Entry): boolean {
    const last = this.last;
    if (last === undefined || compareEntries(line, last) > 0) {
      this.entries.push(line);
      return true;
    }
    const index = this.indexFor(line);
    const there = this.entries[index];
    if (there === undefined || compareEntries(there, line) !== 0) {
      this.entries.splice(index, 0, line);
      return false;
    }
    // A line that was around another one may be looked for itself.
    if (line.isMatch && !there.isMatch) this.entries[index] = line;
    return true;
  }

  /** Where a line is, or would be. */
  indexFor(line: Entry): number {
    let low = 0;
    let high = this.entries.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const entry = this.entries[middle];
      if (entry !== undefined && compareEntries(entry, line) < 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** Let go of the oldest beyond the bound, in pieces so that it is not done for every line. Returns how many. */
  trimOldest(): number {
    if (this.entries.length <= this.max) return 0;
    const excess = this.entries.length - Math.floor(this.max * 0.9);
    this.entries = this.entries.slice(excess);
    this.dropped += excess;
    return excess;
  }

  /** Let go of the newest beyond the bound: when somebody reads far back. */
  trimNewest(): number {
    const excess = this.entries.length - this.max;
    if (excess <= 0) return 0;
    this.entries = this.entries.slice(0, this.max);
    return excess;
  }
}
