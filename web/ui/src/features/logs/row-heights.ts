/** Where rows of different heights are, from the estimates of their lines. */
export class RowHeights {
  private offsets = new Float64Array(1);
  count = 0;

  /** `heightOf` is asked for each row; that is cheap, so nothing is kept of before. */
  layOut(count: number, heightOf: (index: number) => number): void {
    if (this.offsets.length < count + 1) this.offsets = new Float64Array(Math.max(64, (count + 1) * 2));
    this.count = count;
    let at = 0;
    for (let index = 0; index < count; index += 1) {
      this.offsets[index] = at;
      at += heightOf(index);
    }
    this.offsets[count] = at;
  }

  get total(): number {
    return this.offsets[this.count] ?? 0;
  }

  topOf(index: number): number {
    return this.offsets[Math.min(Math.max(0, index), this.count)] ?? 0;
  }

  /** The row at a height, the last one below all. */
  indexAt(y: number): number {
    let low = 0;
    let high = this.count - 1;
    while (low < high) {
      const middle = (low + high + 1) >>> 1;
      if ((this.offsets[middle] ?? 0) <= y) low = middle;
      else high = middle - 1;
    }
    return Math.max(0, low);
  }

  /** The rows that can be seen, and some around them; `end` is exclusive. */
  windowOf(top: number, viewport: number, overscan: number): { first: number; end: number } {
    if (this.count === 0) return { first: 0, end: 0 };
    const first = Math.max(0, this.indexAt(top) - overscan);
    const end = Math.min(this.count, this.indexAt(top + viewport) + 1 + overscan);
    return { first, end };
  }
}

/** How many lines a text takes where `columns` characters fit side by side and every character breaks. */
export function linesOf(length: number, columns: number): number {
  return columns <= 0 || length === 0 ? 1 : Math.ceil(length / columns);
}
