/** What differs between two texts, line by line. */

export interface DiffLine {
  kind: "same" | "gone" | "new";
  text: string;
  /** Its number in the text before and in the one after; null where it is not. */
  before: number | null;
  after: number | null;
}

/** So many pairs of lines are compared; what differs in more is shown as gone and new, whole. */
const PAIRS_MAX = 4_000_000;

/** The fewest lines that go and come (longest common subsequence); what goes stands before what comes. */
export function lineDiff(before: string, after: string): DiffLine[] {
  const old = linesOf(before);
  const now = linesOf(after);
  let start = 0;
  while (start < old.length && start < now.length && old[start] === now[start]) start += 1;
  let tail = 0;
  while (
    tail < old.length - start &&
    tail < now.length - start &&
    old[old.length - 1 - tail] === now[now.length - 1 - tail]
  ) {
    tail += 1;
  }
  const found: DiffLine[] = [];
  const same = (at: number, nowAt: number) =>
    found.push({ kind: "same", text: old[at] ?? "", before: at + 1, after: nowAt + 1 });
  for (let at = 0; at < start; at += 1) same(at, at);
  found.push(...middle(old, now, start, old.length - tail, now.length - tail));
  for (let at = tail; at > 0; at -= 1) same(old.length - at, now.length - at);
  return found;
}

function linesOf(text: string): string[] {
  return text === "" ? [] : text.split("\n");
}

function middle(
  old: readonly string[],
  now: readonly string[],
  start: number,
  oldEnd: number,
  nowEnd: number,
): DiffLine[] {
  const rows = oldEnd - start;
  const columns = nowEnd - start;
  const found: DiffLine[] = [];
  const gone = (at: number) => found.push({ kind: "gone", text: old[at] ?? "", before: at + 1, after: null });
  const come = (at: number) => found.push({ kind: "new", text: now[at] ?? "", before: null, after: at + 1 });
  let row = 0;
  let column = 0;
  if (rows * columns <= PAIRS_MAX) {
    // common[row][column]: how many lines the rest from there on has in common.
    const width = columns + 1;
    const common = new Uint32Array((rows + 1) * width);
    for (let r = rows - 1; r >= 0; r -= 1) {
      for (let c = columns - 1; c >= 0; c -= 1) {
        common[r * width + c] =
          old[start + r] === now[start + c]
            ? (common[(r + 1) * width + c + 1] ?? 0) + 1
            : Math.max(common[(r + 1) * width + c] ?? 0, common[r * width + c + 1] ?? 0);
      }
    }
    while (row < rows && column < columns) {
      if (old[start + row] === now[start + column]) {
        found.push({
          kind: "same",
          text: old[start + row] ?? "",
          before: start + row + 1,
          after: start + column + 1,
        });
        row += 1;
        column += 1;
      } else if ((common[(row + 1) * width + column] ?? 0) >= (common[row * width + column + 1] ?? 0)) {
        gone(start + row);
        row += 1;
      } else {
        come(start + column);
        column += 1;
      }
    }
  }
  for (; row < rows; row += 1) gone(start + row);
  for (; column < columns; column += 1) come(start + column);
  return found;
}

/** The lines that differ with so many around; `null` stands for lines in between that are the same. */
export function excerpt(lines: readonly DiffLine[], around = 3): (DiffLine | null)[] {
  const near = new Set<number>();
  lines.forEach((line, index) => {
    if (line.kind === "same") return;
    for (let at = index - around; at <= index + around; at += 1) near.add(at);
  });
  const found: (DiffLine | null)[] = [];
  lines.forEach((line, index) => {
    if (near.has(index)) found.push(line);
    else if (found.at(-1) !== null) found.push(null);
  });
  return found;
}
