import { useEffect, useRef } from "react";

/**
 * For a strip of tabs, which on a narrow screen is wider than the page: keeps the tab that is shown in sight, also when
 * the screen is turned or others are offered besides it.
 */
export function useShownTab(shown: string, count: number) {
  const strip = useRef<HTMLDivElement>(null);
  // biome-ignore lint/correctness/useExhaustiveDependencies: another tab is another place in the strip
  useEffect(() => {
    const list = strip.current;
    if (list === null) return;
    const show = () => {
      const tab = list.querySelector<HTMLElement>("[data-state=active]");
      if (tab !== null) list.scrollLeft = tab.offsetLeft - list.offsetLeft - tab.offsetWidth;
    };
    const observer = new ResizeObserver(show);
    // It tells of the present size at once.
    observer.observe(list);
    return () => observer.disconnect();
  }, [shown, count]);
  return strip;
}
