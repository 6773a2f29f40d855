import { type RefObject, useCallback, useEffect, useLayoutEffect, useRef, useState } from "react";

const NEAR_PX = 48;

interface Area {
  area: RefObject<HTMLElement | null>;
  /** What grows in it. */
  content: RefObject<HTMLElement | null>;
  /** What is there to read: one more, and its reader wants to see it. */
  count: number;
}

/** Keep the end of what grows in sight, until somebody scrolls away from it. */
export function useEndInSight({ area, content, count }: Area) {
  const [isAtEnd, setAtEnd] = useState(true);
  const follows = useRef(true);
  const lastTop = useRef(0);
  const toEnd = useCallback(() => {
    const element = area.current;
    if (element === null) return;
    element.scrollTop = element.scrollHeight;
    lastTop.current = element.scrollTop;
    follows.current = true;
    setAtEnd(true);
  }, [area]);
  const look = useCallback(() => {
    const element = area.current;
    if (element === null) return;
    const isNear = element.scrollHeight - element.scrollTop - element.clientHeight < NEAR_PX;
    // Only upwards is away: what grew since is told late.
    if (isNear) follows.current = true;
    else if (element.scrollTop < lastTop.current) follows.current = false;
    lastTop.current = element.scrollTop;
    setAtEnd(isNear || follows.current);
  }, [area]);
  useEffect(() => {
    const outer = area.current;
    const inner = content.current;
    if (outer === null || inner === null) return;
    const observer = new ResizeObserver(() => (follows.current ? toEnd() : look()));
    observer.observe(inner);
    // What somebody opens grows too, and is what they want to see.
    const onClick = ({ target }: Event) => {
      if (target instanceof Element && target.closest("summary") !== null) follows.current = false;
    };
    outer.addEventListener("click", onClick);
    return () => {
      observer.disconnect();
      outer.removeEventListener("click", onClick);
    };
  }, [area, content, toEnd, look]);
  // biome-ignore lint/correctness/useExhaustiveDependencies: it is asked for when there is one more
  useLayoutEffect(toEnd, [count, toEnd]);
  return { isAtEnd, onScroll: look, toEnd };
}
