import { type RefObject, useCallback, useLayoutEffect, useRef, useState } from "react";

const NEAR_PX = 48;

/**
 * Keep the end of what grows in sight, until somebody scrolls away from it. `grown` changes when there is more.
 */
export function useEndInSight(area: RefObject<HTMLElement | null>, grown: unknown) {
  const [isAtEnd, setAtEnd] = useState(true);
  const follows = useRef(true);
  const onScroll = useCallback(() => {
    const element = area.current;
    if (element === null) return;
    follows.current = element.scrollHeight - element.scrollTop - element.clientHeight < NEAR_PX;
    setAtEnd(follows.current);
  }, [area]);
  const toEnd = useCallback(() => {
    const element = area.current;
    if (element === null) return;
    element.scrollTop = element.scrollHeight;
    follows.current = true;
    setAtEnd(true);
  }, [area]);
  // biome-ignore lint/correctness/useExhaustiveDependencies: it is what was rendered that grew
  useLayoutEffect(() => {
    if (follows.current) toEnd();
  }, [grown, toEnd]);
  return { isAtEnd, onScroll, toEnd };
}
