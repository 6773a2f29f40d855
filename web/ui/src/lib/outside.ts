import { type RefObject, useEffect, useRef } from "react";

/** Have `onOutside` called when somebody presses elsewhere than in `area`, while that is open. */
export function usePressOutside(
  area: RefObject<HTMLElement | null>,
  isOpen: boolean,
  onOutside: () => void,
): void {
  const newest = useRef(onOutside);
  newest.current = onOutside;
  useEffect(() => {
    if (!isOpen) return;
    const pressed = (event: Event) => {
      if (event.target instanceof Node && !area.current?.contains(event.target)) newest.current();
    };
    document.addEventListener("pointerdown", pressed);
    return () => document.removeEventListener("pointerdown", pressed);
  }, [area, isOpen]);
}
