import { type RefObject, useLayoutEffect, useState } from "react";

/** Below this, every row is in the page: finding in the page works, and nothing is gained by less. */
const ALWAYS_ALL_MAX = 100;
const OVERSCAN = 12;

export interface RowWindow {
  first: number;
  /** Exclusive. */
  end: number;
}

/** Which of `count` rows of equal height can be seen, and a few around them. */
export function rowWindow(input: {
  top: number;
  viewport: number;
  rowHeight: number;
  count: number;
}): RowWindow {
  const { top, viewport, rowHeight, count } = input;
  if (count <= ALWAYS_ALL_MAX) return { first: 0, end: count };
  const first = Math.floor(Math.max(0, -top) / rowHeight) - OVERSCAN;
  const end = Math.ceil((viewport - top) / rowHeight) + OVERSCAN;
  const last = Math.min(count, Math.max(0, end));
  return { first: Math.min(Math.max(0, first), last), end: last };
}

/** The window of a list that scrolls with the page; `list` is the element its first row is at the top of. */
export function useWindowedRows(
  list: RefObject<HTMLElement | null>,
  count: number,
  rowHeight: number,
): RowWindow {
  const [shown, setShown] = useState<RowWindow>({ first: 0, end: Math.min(count, ALWAYS_ALL_MAX) });
  useLayoutEffect(() => {
    let frame = 0;
    const measure = () => {
      frame = 0;
      const top = list.current?.getBoundingClientRect().top ?? 0;
      const next = rowWindow({ top, viewport: window.innerHeight, rowHeight, count });
      setShown((before) => (before.first === next.first && before.end === next.end ? before : next));
    };
    const schedule = () => {
      if (frame === 0) frame = requestAnimationFrame(measure);
    };
    measure();
    window.addEventListener("scroll", schedule, { passive: true });
    window.addEventListener("resize", schedule);
    return () => {
      cancelAnimationFrame(frame);
      window.removeEventListener("scroll", schedule);
      window.removeEventListener("resize", schedule);
    };
  }, [list, count, rowHeight]);
  return { first: Math.min(shown.first, count), end: Math.min(shown.end, count) };
}
