import { type RefObject, useLayoutEffect, useMemo, useState } from "react";

/** Which items are in the page; `end` is exclusive. */
export interface ItemWindow {
  first: number;
  end: number;
}

/** Below this height of all items, every one is in the page: finding in the page works, and nothing is gained. */
const ALWAYS_ALL_MAX_PX = 4_000;
const OVERSCAN_PX = 480;

/** Where each item begins, and at last where they end, in pixels from the top of the first. */
export function offsetsOf(heights: readonly number[]): Float64Array {
  const offsets = new Float64Array(heights.length + 1);
  for (let index = 0; index < heights.length; index += 1) {
    offsets[index + 1] = (offsets[index] ?? 0) + (heights[index] ?? 0);
  }
  return offsets;
}

/** Which items can be seen, and a few around them. `top` is where the first one is in the window. */
export function itemWindow(offsets: Float64Array, top: number, viewport: number): ItemWindow {
  const count = offsets.length - 1;
  if ((offsets[count] ?? 0) <= ALWAYS_ALL_MAX_PX) return { first: 0, end: count };
  const first = itemAt(offsets, -top - OVERSCAN_PX);
  const end = Math.min(count, itemAt(offsets, viewport - top + OVERSCAN_PX) + 1);
  return { first: Math.min(first, end), end };
}

/** The item at a height; the first or last one for heights beyond. */
function itemAt(offsets: Float64Array, height: number): number {
  let low = 0;
  let high = Math.max(0, offsets.length - 2);
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if ((offsets[middle] ?? 0) <= height) low = middle;
    else high = middle - 1;
  }
  return low;
}

/** The window of a list of items of different heights that scrolls with the page. */
export function useWindowedItems(list: RefObject<HTMLElement | null>, offsets: Float64Array): ItemWindow {
  const [shown, setShown] = useState<ItemWindow>(() => itemWindow(offsets, 0, window.innerHeight));
  useLayoutEffect(() => {
    let frame = 0;
    const measure = () => {
      frame = 0;
      const top = list.current?.getBoundingClientRect().top ?? 0;
      const next = itemWindow(offsets, top, window.innerHeight);
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
  }, [list, offsets]);
  const count = offsets.length - 1;
  return { first: Math.min(shown.first, count), end: Math.min(shown.end, count) };
}

/** The same of rows that are all as high as each other. */
export function useWindowedRows(
  list: RefObject<HTMLElement | null>,
  count: number,
  rowHeight: number,
): ItemWindow {
  return useWindowedItems(
    list,
    useMemo(
      () => Float64Array.from({ length: count + 1 }, (_, index) => index * rowHeight),
      [count, rowHeight],
    ),
  );
}
